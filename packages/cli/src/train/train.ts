/** @file Trains a model, and logs what is seen of every step. */
import type { Module, Reduction } from '@beyondgrad/autograd'
import { diagnose, type Finding, openCockpit } from '@beyondgrad/cockpit'
import { readRun } from '@beyondgrad/cockpit/node'
import { batches, stateOf, trainStep } from '@beyondgrad/nn'
import { type AnyTensor, DataError, formatShape, placeholder, type Tensor } from '@beyondgrad/tensor'
import { writeNpz, writeSafetensors } from '@beyondgrad/io'
import { writeBytes } from '../array-files.ts'
import { chooseEngine, type EngineName } from '../engine-choice.ts'
import { type Model, modelForLoss, openModel, outputOf } from '../model-file.ts'
import { lossNamed } from '../named-loss.ts'
import { loadPlugins } from '../plugins.ts'
import { jsonText } from '../json-text.ts'
import type { Terminal } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'
import { readData, trainingData } from './data.ts'
import { chosenInstruments, type InstrumentChoice, isWatched } from './instruments.ts'
import { type OptimizerChoice, optimizerNamed } from './optimizers.ts'

export interface TrainOptions extends OptimizerChoice, InstrumentChoice {
  readonly data: string
  readonly loss: string
  readonly reduction: Reduction
  readonly batchSize: number
  readonly epochs?: number
  readonly steps?: number
  readonly shuffle: boolean
  readonly seed: number
  readonly log: string
  readonly cockpitEvery: number
  readonly out?: string
  readonly output?: string
  readonly engine: EngineName
  readonly plugin: readonly string[]
  readonly json?: boolean
}

/** The document that `--json` prints. */
export interface TrainDocument {
  readonly engine: string
  readonly samples: number
  readonly steps: number
  /** Of the first and the last step, before their updates; a name where it is no number. */
  readonly loss: { readonly first: number | string; readonly last: number | string }
  readonly log: string
  readonly out?: string
  /** What the instruments say of the run, where there were any: the worst first. */
  readonly findings?: readonly Finding[]
}

export async function train(file: string, options: TrainOptions, terminal: Terminal): Promise<void> {
  if (options.out !== undefined && !/\.(onnx|npz|safetensors)$/i.test(options.out)) {
    throw new UsageError(
      `--out ${options.out}: the extension says what is written: .onnx, .npz or .safetensors`,
    )
  }
  const plugins = await loadPlugins(options.plugin)
  const loss = lossNamed(options.loss, options.reduction, plugins)
  const instruments = chosenInstruments(options, plugins)
  terminal.progress('reading')
  const whole = await openModel(file, plugins)
  const { model, output } = modelForLoss(whole, loss.name, options.output, terminal)
  const input = onlyInput(model)
  const data = trainingData(
    await readData(options.data),
    model.inputs[0]!,
    loss,
    ({ shape, dtype }) => outputOf(model, output, { [input]: placeholder(shape, dtype, input) }).shape,
  )
  const optimizer = optimizerNamed(options, model.parameters)
  const { name, engine } = await chooseEngine(options.engine, terminal)
  const samples = data.inputs.shape[0]!
  const cockpit = await openCockpit({
    log: options.log,
    instruments,
    every: options.cockpitEvery,
    header: {
      model: file,
      loss: loss.name,
      reduction: options.reduction,
      optimizer: {
        name: options.optimizer,
        lr: options.lr,
        momentum: options.momentum,
        weightDecay: options.weightDecay,
      },
      engine: name,
      data: { file: options.data, samples },
      batchSize: options.batchSize,
      shuffle: options.shuffle,
      seed: options.seed,
    },
  })
  const losses: number[] = []
  try {
    const network: Module = Object.assign((x: Tensor) => outputOf(model, output, { [input]: x }), {
      parameters: model.parameters,
    })
    const step = trainStep<AnyTensor>({
      model: network,
      loss: loss.of,
      optimizer,
      engine,
      observers: [cockpit],
    })
    for await (const batch of batches(data, batchesOf(options))) {
      const result = await step(batch)
      losses.push(result.loss)
      terminal.progress(`step ${result.step + 1}, loss ${result.loss.toPrecision(5)}`)
    }
    terminal.progress('')
    if (options.out !== undefined) await save(whole, options.out)
  } finally {
    await cockpit.close()
  }
  if (losses.length === 0) throw new DataError(`train: ${formatShape([samples])} samples made no step`)
  const findings = isWatched(options) ? diagnose(readRun(options.log)) : undefined
  report(losses, { name, samples, options, findings }, terminal)
}

function batchesOf({ batchSize, seed, shuffle, steps, epochs }: TrainOptions): Parameters<typeof batches>[1] {
  return {
    size: batchSize,
    seed,
    shuffle,
    epochs: epochs ?? (steps === undefined ? 1 : Infinity),
    ...(steps !== undefined && { steps }),
  }
}

/** The input that data goes into. */
function onlyInput(model: Model): string {
  const names = model.inputs.map((info) => info.name)
  if (names.length !== 1) {
    throw new UsageError(`train: the model takes ${names.join(', ') || 'nothing'}; data are for one input`)
  }
  if (model.known.size > 0) {
    throw new UsageError(`train: what is in "${names[0]}" decides about shapes, so that it can't be data`)
  }
  return names[0]!
}

/** Writes the file that was read, with the parameters as they are now, or the parameters alone. */
async function save(model: Model, out: string): Promise<void> {
  if (/\.npz$/i.test(out)) return writeNpz(out, stateOf(model))
  if (/\.safetensors$/i.test(out)) return writeSafetensors(out, stateOf(model))
  await writeBytes(out, model.toOnnx())
}

function report(
  losses: readonly number[],
  {
    name,
    samples,
    options,
    findings,
  }: {
    readonly name: string
    readonly samples: number
    readonly options: TrainOptions
    readonly findings: readonly Finding[] | undefined
  },
  terminal: Terminal,
): void {
  const shown = (loss: number): number | string => (Number.isFinite(loss) ? loss : String(loss))
  const [first, last] = [shown(losses[0]!), shown(losses.at(-1)!)]
  const lost = losses.findIndex((loss) => !Number.isFinite(loss))
  if (lost >= 0) {
    terminal.complain(`the loss is ${losses[lost]} from step ${lost} on: lower --lr, or look at the data`)
  }
  const document: TrainDocument = {
    engine: name,
    samples,
    steps: losses.length,
    loss: { first, last },
    log: options.log,
    ...(options.out !== undefined && { out: options.out }),
    ...(findings && { findings }),
  }
  if (options.json) {
    terminal.print(jsonText(document))
    return
  }
  terminal.print(
    `${losses.length} steps on ${samples} samples, on ${name}: loss ${first} at first, ${last} at last; see ${options.log}${options.out === undefined ? '' : ` and ${options.out}`}`,
  )
  for (const { severity, sentence } of findings ?? []) terminal.print(`${severity}: ${sentence}`)
  if (findings?.length === 0) terminal.print('no instrument has anything to say against it')
}
