/** @file `beyondgrad extend`: a model with its loss and quantities as further outputs of one ONNX file. */
import { Command, Option } from 'commander'
import {
  jsonOption,
  kroneckerOption,
  lossOption,
  outputOption,
  pluginOption,
  quantitiesOption,
  reductionOption,
  samplesOption,
  seed,
  shapeOption,
} from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { ExtendCommandOptions } from './extend.ts'

export function extendCommand(terminal: Terminal): Command {
  return new Command('extend')
    .description('write a model that computes its loss and quantities itself, in any ONNX runtime')
    .argument('<model>', 'an ONNX file, or the address of one')
    .addOption(lossOption())
    .addOption(reductionOption())
    .addOption(quantitiesOption())
    .requiredOption('--out <file>', 'the extended model')
    .addOption(outputOption())
    .addOption(shapeOption())
    .addOption(
      new Option('--seed <n>', 'told in the file for quantities that draw').argParser(seed).default(0),
    )
    .addOption(samplesOption())
    .addOption(kroneckerOption())
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The file takes the model's inputs and "target", and gives the model's outputs, "loss" and <quantity>/<parameter>,
for batches of any size. Quantities that draw take random numbers as inputs random.<stream>.

Examples:
  beyondgrad extend model.onnx --loss cross-entropy --quantities gradient,variance --out extended.onnx
  beyondgrad extend unet.onnx --loss mse --quantities batch-l2 --shape image=N,3,64,64 --out extended.onnx`,
    )
    .action(async (model: string, options: ExtendCommandOptions) =>
      (await import('./extend.ts')).extend(model, options, terminal),
    )
}
