/** @file Short trainings that a cockpit watches, with and without a planted fault. */
import { crossEntropy, type Module } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import {
  Adam,
  batches,
  Conv2d,
  type Dataset,
  Flatten,
  heNormal,
  Linear,
  MaxPool2d,
  moduleOf,
  ReLU,
  Sequential,
  SGD,
  Sigmoid,
  type StatefulOptimizer,
  trainStep,
  TransformerEncoderLayer,
} from '@beyondgrad/nn'
import { releaseExecutables, reshape, type Tensor } from '@beyondgrad/tensor'
import {
  EarlyStopping,
  economy,
  GradHist1d,
  HessMaxEV,
  type Instrument,
  openCockpit,
  parseRun,
  type Run,
} from '../../src/index.ts'

type Network = ReturnType<typeof Sequential>

export type NetworkName = 'logreg' | 'mlp' | 'conv' | 'deep' | 'sigmoids' | 'transformer'

/** Networks by their names; the seed decides about the initial weights. */
const networks: Readonly<Record<NetworkName, (seed: number) => Network>> = {
  logreg: (seed: number) => Sequential(Flatten(), Linear(784, 10, { seed })),
  mlp: (seed: number) =>
    Sequential(
      Flatten(),
      Linear(784, 64, { seed }),
      ReLU(),
      Linear(64, 32, { seed: seed + 1 }),
      ReLU(),
      Linear(32, 10, { seed: seed + 2 }),
    ),
  conv: (seed: number) =>
    Sequential(
      Conv2d(1, 6, 5, { seed }),
      ReLU(),
      MaxPool2d(3),
      Conv2d(6, 12, 5, { seed: seed + 1 }),
      ReLU(),
      Flatten(),
      Linear(192, 10, { seed: seed + 2 }),
    ),
  deep: (seed: number) => stacked(ReLU, seed),
  sigmoids: (seed: number) => stacked(Sigmoid, seed),
  transformer: (seed: number) =>
    Sequential(
      moduleOf((x: Tensor) => reshape(x, [x.shape[0]!, 28, 28])),
      Linear(28, 24, { seed }),
      TransformerEncoderLayer(24, 4, { dimFeedforward: 32, dropout: 0, seed }),
      Flatten(),
      Linear(672, 10, { seed: seed + 2 }),
    ),
}

function stacked(activation: () => ReturnType<typeof ReLU>, seed: number): Network {
  const layers = [48, 48, 48, 48, 48].flatMap((size, i, sizes) => [
    Linear(i === 0 ? 784 : sizes[i - 1]!, size, {
      seed: seed + i,
      ...(activation === ReLU && { weight: heNormal }),
    }),
    activation(),
  ])
  return Sequential(Flatten(), ...layers, Linear(48, 10, { seed: seed + 9 }))
}

export interface Training {
  readonly network: NetworkName
  readonly data: Dataset
  readonly seed: number
  readonly optimizer: 'sgd' | 'momentum' | 'adam'
  readonly learningRate: number
  readonly batchSize?: number
  readonly steps: number
  readonly instruments?: readonly Instrument[]
  /** Changes the network before training. */
  readonly spoil?: (model: Network) => void
}

const engine = onnxruntime({ threads: 1 })

/** Trains, and returns the log. */
export async function runOf(training: Training): Promise<Run> {
  const { network, data, seed, learningRate, batchSize = 64, steps, spoil } = training
  const model = networks[network](seed)
  spoil?.(model)
  const lines: string[] = []
  const keep = (line: string): void => {
    lines.push(line)
  }
  const cockpit = await openCockpit({
    instruments: training.instruments ?? [
      ...economy().filter(({ name }) => name !== 'GradHist1d'),
      GradHist1d(),
      HessMaxEV({ every: 10 }),
      EarlyStopping(),
    ],
    log: { before: undefined, append: keep, wait: () => undefined, close: () => undefined },
  })
  const train = trainStep({
    model: model,
    loss: crossEntropy,
    optimizer: optimizerOf(training, model, learningRate),
    engine,
    observers: [cockpit],
  })
  for await (const batch of batches(data, { size: batchSize, seed, epochs: Infinity, steps, dropLast: true }))
    await train(batch)
  await cockpit.close()
  await releaseExecutables(engine)
  return parseRun(lines.join(''))
}

function optimizerOf(
  { optimizer }: Training,
  { parameters }: Module,
  learningRate: number,
): StatefulOptimizer {
  if (optimizer === 'adam') return Adam(parameters, { learningRate })
  return SGD(parameters, { learningRate, momentum: optimizer === 'momentum' ? 0.9 : 0 })
}
