/** @file `beyondgrad conformance`: ONNX's backend tests. */
import { Command } from 'commander'
import { engineOption, jsonOption, nonNegative, pluginOption } from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { ConformanceCommandOptions } from './conformance.ts'

export function conformanceCommand(terminal: Terminal): Command {
  return new Command('conformance')
    .description("run folders of ONNX's backend tests, and count what passes by operator")
    .argument('<folder>', 'one that holds suites, a suite, or a case')
    .addOption(engineOption())
    .option('--only <text>', 'only cases whose suite/case contains this')
    .option('--rtol <x>', 'relative tolerance', nonNegative, 1e-3)
    .option('--atol <x>', 'absolute tolerance', nonNegative, 1e-7)
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
A case is passed, failed (other numbers), unsupported (refused before it runs) or an error. The exit status is 0
whenever all cases were run: what they came to is in the report.

Examples:
  beyondgrad conformance onnx/backend/test/data/node
  beyondgrad conformance onnx/backend/test/data --engine reference --only softmax
  beyondgrad conformance cases --json | jq '.cases[] | select(.status != "passed")'`,
    )
    .action(async (folder: string, options: ConformanceCommandOptions) =>
      (await import('./conformance.ts')).conformance(folder, options, terminal),
    )
}
