/** @file `beyondgrad cockpit`: looks at the log of a run, or at two of them beside each other. */
import { Command, Option } from 'commander'
import { jsonOption, seed as stepNumber } from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { CockpitOptions } from './cockpit.ts'

export function cockpitCommand(terminal: Terminal): Command {
  return new Command('cockpit')
    .description("look at a run's instruments, and at what is wrong with it")
    .argument('<run>', "a run's folder or its run.jsonl, or a JSON file of the Python library Cockpit")
    .argument('[run2]', 'another one, beside it')
    .option('--out <file>', 'write a report (.html) or a picture (.svg, .png)')
    .option('--live', 'follow the run while it goes on, until Ctrl-C')
    .option('--title <text>', "default: the runs' names")
    .option('--log-steps', 'a logarithmic axis of steps')
    .addOption(new Option('--until <step>', 'leave out what comes after this step').argParser(stepNumber))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --out, the gauges are drawn in the terminal. --json prints how far each run has come, what is wrong with it and on
what evidence, and what could not be measured. docs/diagnosis.md says where the sentences come from.

Examples:
  beyondgrad train model.onnx --data digits.npz --loss cross-entropy --lr 0.1 --cockpit economy --log runs/first
  beyondgrad cockpit runs/first
  beyondgrad cockpit runs/first runs/second --out report.html
  beyondgrad cockpit runs/first --live`,
    )
    .action(async (run: string, run2: string | undefined, options: CockpitOptions) =>
      (await import('./cockpit.ts')).cockpit(run2 === undefined ? [run] : [run, run2], options, terminal),
    )
}
