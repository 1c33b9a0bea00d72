/** @file `beyondgrad quantities`: a model's loss on a batch, and what there is beyond it. */
import { Command, Option } from 'commander'
import {
  engineOption,
  inputOption,
  jsonOption,
  kroneckerOption,
  lossOption,
  outputOption,
  pluginOption,
  quantitiesOption,
  reductionOption,
  samplesOption,
  seed,
} from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { QuantitiesOptions } from './quantities.ts'

export function quantitiesCommand(terminal: Terminal): Command {
  return new Command('quantities')
    .description("compute gradients, per-sample quantities and curvature of a model's parameters")
    .argument('<model>', 'an ONNX file, or the address of one')
    .addOption(inputOption())
    .requiredOption('--target <file>', 'the targets, likewise')
    .addOption(lossOption())
    .addOption(reductionOption())
    .addOption(quantitiesOption())
    .addOption(outputOption())
    .addOption(engineOption())
    .addOption(new Option('--seed <n>', 'of what Monte-Carlo quantities draw').argParser(seed).default(0))
    .addOption(samplesOption())
    .addOption(kroneckerOption())
    .option('--out <file>', 'write the results: .json, .npz or .safetensors')
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Names in .npz and .safetensors are <quantity>/<parameter>; Kronecker factors have /output or /input behind.
In JSON they are a list, output side first. What a model does not have is listed as unsupported, with the reason.

Examples:
  beyondgrad quantities model.onnx --input x.npy --target y.npy --loss cross-entropy --quantities gradient,batch-l2
  beyondgrad quantities model.onnx --input batch.npz:x --target batch.npz:y --loss mse --quantities diag-ggn --json
  beyondgrad quantities model.onnx --input golden.json:input --target golden.json:target --loss cross-entropy \\
      --quantities variance,kfac --engine reference --out results.npz
  beyondgrad quantities bert.onnx --input input_ids=ids.npy --input attention_mask=mask.npy --target y.npy \\
      --loss cross-entropy --quantities variance`,
    )
    .action(async (model: string, options: QuantitiesOptions) =>
      (await import('./quantities.ts')).quantities(model, options, terminal),
    )
}
