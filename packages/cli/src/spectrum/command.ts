/** @file `beyondgrad spectrum`: eigenvalues of a model's curvature on a batch. */
import { Command, Option } from 'commander'
import {
  count,
  engineOption,
  inputOption,
  jsonOption,
  lossOption,
  outputOption,
  pluginOption,
  reductionOption,
  seed,
} from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { SpectrumCommandOptions } from './spectrum.ts'

export function spectrumCommand(terminal: Terminal): Command {
  return new Command('spectrum')
    .description("compute the spectrum of the generalised Gauss-Newton matrix of a model's parameters")
    .argument('<model>', 'an ONNX file, or the address of one')
    .addOption(inputOption())
    .requiredOption('--target <file>', 'the targets, likewise')
    .addOption(lossOption())
    .addOption(reductionOption())
    .addOption(
      new Option('--top <k>', 'only the k largest eigenvalues, with their eigenvectors').argParser(count),
    )
    .addOption(
      new Option('--groups <how>', 'of which parameters together')
        .choices(['all', 'layer', 'parameter'])
        .default('all'),
    )
    .addOption(
      new Option(
        '--mc-samples <n>',
        'estimate from so many columns drawn for each sample (default: exact)',
      ).argParser(count),
    )
    .addOption(new Option('--seed <n>', 'of what is drawn').argParser(seed).default(0))
    .addOption(outputOption())
    .addOption(engineOption())
    .option('--out <file>', 'write the results: .json, .npz or .safetensors')
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Eigenvalues are ascending, as far as they can differ from zero. Eigenvectors have length one over a group; of each, the entry of
largest size is positive. Names in .npz and .safetensors are <group>/eigenvalues and <group>/eigenvectors/<parameter>, with
groups counted from 0.

Examples:
  beyondgrad spectrum model.onnx --input x.npy --target y.npy --loss cross-entropy
  beyondgrad spectrum model.onnx --input batch.npz:x --target batch.npz:y --loss mse --groups layer --json
  beyondgrad spectrum model.onnx --input golden.json:input --target golden.json:target --loss cross-entropy \\
      --top 10 --out directions.npz`,
    )
    .action(async (model: string, options: SpectrumCommandOptions) =>
      (await import('./spectrum.ts')).spectrum(model, options, terminal),
    )
}
