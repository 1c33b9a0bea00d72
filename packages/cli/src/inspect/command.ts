/** @file `beyondgrad inspect`: what is in an ONNX file. */
import { Command } from 'commander'
import { jsonOption, pluginOption } from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { InspectOptions } from './inspect.ts'

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('tell inputs, outputs, operators and parameters of a model; needs no native engine')
    .argument('<model>', 'an ONNX file, or the address of one')
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  beyondgrad inspect model.onnx
  beyondgrad inspect model.onnx --json | jq '.parameters[].name'
  beyondgrad inspect model.onnx --plugin ./my-operators.js`,
    )
    .action(async (model: string, options: InspectOptions) =>
      (await import('./inspect.ts')).inspect(model, options, terminal),
    )
}
