/** @file `beyondgrad explain`: what quantities of a model would cost, and which it does not have. */
import { Command, Option } from 'commander'
import {
  count,
  jsonOption,
  kroneckerOption,
  lossOption,
  outputOption,
  pluginOption,
  quantitiesOption,
  reductionOption,
  samplesOption,
  shapeOption,
} from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { ExplainOptions } from './explain.ts'

export function explainCommand(terminal: Terminal): Command {
  return new Command('explain')
    .description('tell how quantities would be computed, at what cost, and what cannot be had; runs nothing')
    .argument('<model>', 'an ONNX file, or the address of one')
    .addOption(lossOption())
    .addOption(reductionOption())
    .addOption(quantitiesOption())
    .addOption(new Option('--batch <n>', 'samples in the batch').argParser(count).default(32))
    .addOption(outputOption())
    .addOption(shapeOption())
    .addOption(samplesOption())
    .addOption(kroneckerOption())
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Work is in gradients; bytes are of intermediates and results alive at once. Both are estimates from the graph.

Examples:
  beyondgrad explain model.onnx --loss cross-entropy --quantities gradient,diag-ggn,diag-hessian
  beyondgrad explain model.onnx --loss cross-entropy --quantities kflr --batch 256 --json
  beyondgrad explain detector.onnx --loss mse --quantities batch-l2 --shape image=N,3,224,224`,
    )
    .action(async (model: string, options: ExplainOptions) =>
      (await import('./explain.ts')).explainModel(model, options, terminal),
    )
}
