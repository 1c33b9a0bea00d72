/** @file `beyondgrad train`: trains a model, and logs the run line by line. */
import { Command, Option } from 'commander'
import {
  count,
  engineOption,
  jsonOption,
  lossOption,
  nonNegative,
  outputOption,
  pluginOption,
  positive,
  reductionOption,
  seed,
} from '../command-options.ts'
import type { Terminal } from '../terminal.ts'
import type { TrainOptions } from './train.ts'

export function trainCommand(terminal: Terminal): Command {
  return new Command('train')
    .description("train a model's parameters on a data set")
    .argument('<model>', 'an ONNX file, or the address of one')
    .requiredOption(
      '--data <file|folder>',
      '.npz or .json with arrays x and y, or a folder of IDX files, gzipped or not',
    )
    .addOption(lossOption())
    .addOption(reductionOption())
    .addOption(
      new Option('--optimizer <name>', 'how parameters follow their gradients')
        .choices(['sgd', 'adam', 'adamw', 'rmsprop'])
        .default('sgd'),
    )
    .addOption(new Option('--lr <rate>', 'learning rate').argParser(positive).makeOptionMandatory())
    .addOption(new Option('--momentum <m>', 'of sgd and rmsprop').argParser(nonNegative).default(0))
    .addOption(new Option('--weight-decay <w>', "default: the optimizer's own").argParser(nonNegative))
    .addOption(new Option('--batch-size <n>', 'samples in a batch').argParser(count).default(32))
    .addOption(new Option('--epochs <n>', 'default: 1, or as many as --steps needs').argParser(count))
    .addOption(new Option('--steps <n>', 'stop after so many').argParser(count))
    .option('--no-shuffle', 'take the samples in their order')
    .addOption(new Option('--seed <n>', 'of the order of the samples').argParser(seed).default(0))
    .requiredOption('--log <folder>', 'where run.jsonl is written, a line a step')
    .addOption(
      new Option('--cockpit <configuration>', 'instruments that watch, and what they say at the end').choices(
        ['economy', 'business', 'full'],
      ),
    )
    .addOption(
      new Option(
        '--instruments <names>',
        'further instruments, by commas, as in EarlyStopping,CABS',
      ).argParser((text) => text.split(',').map((name) => name.trim())),
    )
    .addOption(new Option('--cockpit-every <n>', 'track every n-th step').argParser(count).default(1))
    .addOption(
      new Option(
        '--curvature <diagonal>',
        'that HessTrace and TICDiag look at; default: diag-hessian',
      ).choices(['diag-hessian', 'diag-ggn', 'diag-ggn-mc']),
    )
    .option('--out <file>', 'the trained model (.onnx), or its parameters (.npz, .safetensors)')
    .addOption(outputOption())
    .addOption(engineOption())
    .addOption(pluginOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Bytes in IDX files become numbers from 0 to 1, in the shape that the model takes. Of files for training and
testing, those called train… are taken.

Examples:
  beyondgrad train model.onnx --data data.npz --loss cross-entropy --lr 0.1 --log runs/first
  beyondgrad train model.onnx --data fashion-mnist --loss cross-entropy --optimizer adam --lr 0.001 \\
      --batch-size 128 --epochs 3 --log runs/adam --out trained.onnx
  beyondgrad train model.onnx --data data.npz --loss cross-entropy --lr 0.1 --log runs/watched --cockpit economy`,
    )
    .action(async (model: string, options: TrainOptions) =>
      (await import('./train.ts')).train(model, options, terminal),
    )
}
