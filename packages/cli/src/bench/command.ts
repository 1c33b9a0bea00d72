/** @file `beyondgrad bench`: what each quantity costs on top of the gradient, on this machine. */
import { Command, Option } from 'commander'
import { count, jsonOption, pluginOption, positive } from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { BenchOptions } from './bench.ts'
import { problemNames } from './problem-names.ts'

/** Measured unless others are asked for: what most people want to know the price of. */
const usual =
  'gradient,batch-gradient,batch-l2,sum-grad-squared,variance,diag-ggn-mc,diag-ggn,diag-hessian,kfac,kflr'

export function benchCommand(terminal: Terminal): Command {
  const names = problemNames.join(', ')
  return new Command('bench')
    .description('measure what each quantity costs, in milliseconds, gradients and memory')
    .option('--problem <name>', `one of ${names}`, 'mlp')
    .option('--batch <n>', "samples in the batch (default: the problem's own)", count)
    .option(
      '--quantities <list>',
      'names separated by commas; join several with + to measure them in one execution',
      usual,
    )
    .addOption(new Option('--engine <name>').choices(['auto', 'onnxruntime', 'reference']).default('auto'))
    .option('--threads <n>', 'threads of the native engine', count)
    .option('--seconds <s>', 'how long to repeat each quantity', positive, 2)
    .option('--memory <mib>', 'memory that second-order columns may take at one layer', positive)
    .option(
      '--huge-pages',
      'ask glibc for transparent huge pages: fresh memory is dear in virtual machines',
      false,
    )
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Each quantity runs in a process of its own, together with the loss; peak memory is that process's.
"first" is the time from the call to the first result, preparation included.

Examples:
  beyondgrad bench
  beyondgrad bench --problem 3c3d --batch 64 --quantities gradient,batch-l2,diag-ggn-mc
  beyondgrad bench --problem 3c3d --quantities gradient,batch-l2+sum-grad-squared+variance
  beyondgrad bench --problem 3c3d --batch 128 --quantities diag-ggn --memory 4096   # no chunks
  beyondgrad bench --plugin beyondgrad-differential-privacy --quantities private-gradient
  beyondgrad bench --json > bench.json`,
    )
    .action(async (options: BenchOptions) => (await import('./bench.ts')).bench(options, terminal))
}
