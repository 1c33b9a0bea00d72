/** @file Every layer of `nn` in a small network: quantities of single samples against brute force. */
import { type Extension, type Module, type ParameterMap } from '@beyondgrad/autograd'
import * as nn from '@beyondgrad/nn'
import { type Shape, tensor, type Tensor } from '@beyondgrad/tensor'
import { checkExtension, definitions } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { BatchGradient, DiagGGN, DiagHessian } from '../src/index.ts'
import { numbers, regression } from './network.ts'

const { Sequential, Linear, Flatten, Tanh } = nn
const seeded = (seed: number) => ({ seed })

/** Gives what starts as ones, zeros or constants something to do. */
function perturbed<I extends readonly unknown[], O>(module: Module<I, O>): Module<I, O> {
  for (const [, p] of module.parameters) {
    p.set(numbers(p.name, p.shape, 0.5).map((x, i) => x + Number(p.cell.data[i])))
  }
  for (const [, b] of nn.buffersOf(module)) {
    if (b.dtype === 'float32') b.cell.data = numbers(b.name, b.shape).map((x) => 0.5 + Math.abs(x))
  }
  return module
}

interface Case {
  readonly input: Shape
  readonly output: Shape
  readonly model: () => Module
}

const sequence = (mask?: nn.AttentionMasks): Module =>
  nn.defineModule(
    { attention: nn.MultiheadAttention(4, 2, seeded(1)) },
    ({ attention }, x: Tensor) => attention(x, x, x, mask)[0],
  )

/** A layer between what makes its input depend on a parameter and a map to few outputs. */
const between = (before: Module, layer: Module, size: number): (() => Module) => {
  return () => Sequential(before, layer, Flatten(), Linear(size, 2, seeded(9)))
}

const row = (layer: () => Module): Case => ({
  input: [3],
  output: [2],
  model: () => between(Linear(3, 4, seeded(8)), perturbed(layer()), 4)(),
})

const signal = (size: number, layer: () => Module, options: { length?: number } = {}): Case => ({
  input: [2, options.length ?? 4],
  output: [2],
  model: () => between(nn.Conv1d(2, 2, 1, seeded(8)), perturbed(layer()), size)(),
})

const image = (size: number, layer: () => Module): Case => ({
  input: [1, 3, 4],
  output: [2],
  model: () => between(nn.Conv2d(1, 2, 1, seeded(8)), perturbed(layer()), size)(),
})

const volume = (size: number, layer: () => Module): Case => ({
  input: [1, 2, 2, 3],
  output: [2],
  model: () => between(nn.Conv3d(1, 2, 1, seeded(8)), perturbed(layer()), size)(),
})

const tokens = (size: number, layer: () => Module): Case => ({
  input: [3, 4],
  output: [2],
  model: () => between(Linear(4, 4, seeded(8)), perturbed(layer()), size)(),
})

const recurrent = (size: number, layer: () => Module<[Tensor], readonly [Tensor, ...unknown[]]>): Case =>
  tokens(size, () => nn.outputOf(layer()))

const cases: Readonly<Record<string, Case>> = {
  Linear: row(() => Linear(4, 4, seeded(1))),
  ReLU: row(nn.ReLU),
  LeakyReLU: row(() => nn.LeakyReLU(0.2)),
  PReLU: row(() => nn.PReLU(4)),
  'PReLU, one slope': row(() => nn.PReLU()),
  ELU: row(() => nn.ELU(1.5)),
  SELU: row(nn.SELU),
  CELU: row(() => nn.CELU(0.5)),
  GELU: row(() => nn.GELU()),
  'GELU, tanh': row(() => nn.GELU({ approximate: 'tanh' })),
  SiLU: row(nn.SiLU),
  Mish: row(nn.Mish),
  Softplus: row(() => nn.Softplus(2)),
  Softsign: row(nn.Softsign),
  Hardtanh: row(() => nn.Hardtanh(-0.5, 0.5)),
  ReLU6: row(nn.ReLU6),
  Hardsigmoid: row(nn.Hardsigmoid),
  Hardswish: row(nn.Hardswish),
  LogSigmoid: row(nn.LogSigmoid),
  Sigmoid: row(nn.Sigmoid),
  Tanh: row(nn.Tanh),
  Softmax: row(() => nn.Softmax()),
  LogSoftmax: row(() => nn.LogSoftmax()),
  'Dropout in evaluation': row(() => nn.Dropout(0.5, seeded(1))),
  Identity: row(nn.Identity),
  Unflatten: row(() => nn.Unflatten(1, [2, 2])),
  LayerNorm: row(() => nn.LayerNorm(4)),
  RMSNorm: row(() => nn.RMSNorm(4, { eps: 0.01 })),
  'BatchNorm1d in evaluation': row(() => nn.BatchNorm1d(4)),
  'BatchNorm1d of signals in evaluation': signal(8, () => nn.BatchNorm1d(2)),
  'BatchNorm2d in evaluation': image(24, () => nn.BatchNorm2d(2)),
  'BatchNorm3d in evaluation': volume(24, () => nn.BatchNorm3d(2)),
  GroupNorm: signal(8, () => nn.GroupNorm(2, 2)),
  'GroupNorm of rows': row(() => nn.GroupNorm(2, 4)),
  InstanceNorm1d: signal(8, () => nn.InstanceNorm1d(2, { affine: true })),
  InstanceNorm2d: image(24, () => nn.InstanceNorm2d(2, { affine: true })),
  InstanceNorm3d: volume(24, () => nn.InstanceNorm3d(2)),
  Conv1d: signal(6, () => nn.Conv1d(2, 2, 2, { ...seeded(1), groups: 2 })),
  'Conv1d, reflect': signal(8, () =>
    nn.Conv1d(2, 2, 3, { ...seeded(1), padding: 1, paddingMode: 'reflect' }),
  ),
  'Conv1d, replicate': signal(8, () =>
    nn.Conv1d(2, 2, 3, { ...seeded(1), padding: 1, paddingMode: 'replicate' }),
  ),
  'Conv1d, circular': signal(8, () =>
    nn.Conv1d(2, 2, 3, { ...seeded(1), padding: 'same', paddingMode: 'circular' }),
  ),
  Conv2d: image(12, () => nn.Conv2d(2, 1, 2, { ...seeded(1), padding: 'same' })),
  Conv3d: volume(4, () => nn.Conv3d(2, 2, [2, 2, 2], seeded(1))),
  ConvTranspose1d: signal(16, () =>
    nn.ConvTranspose1d(2, 2, 3, { ...seeded(1), stride: 2, padding: 1, outputPadding: 1 }),
  ),
  ConvTranspose2d: image(20, () => nn.ConvTranspose2d(2, 1, 2, seeded(1))),
  ConvTranspose3d: volume(36, () => nn.ConvTranspose3d(2, 1, 2, { ...seeded(1) })),
  MaxPool1d: signal(4, () => nn.MaxPool1d(2)),
  'MaxPool1d, ceil': signal(4, () => nn.MaxPool1d(3, { ceilMode: true })),
  MaxPool2d: image(4, () => nn.MaxPool2d([2, 3], { stride: [1, 2] })),
  MaxPool3d: volume(4, () => nn.MaxPool3d(2, { stride: 1 })),
  AvgPool1d: signal(6, () => nn.AvgPool1d(2, { stride: 2, padding: 1, countIncludePad: false })),
  AvgPool2d: image(12, () => nn.AvgPool2d(2, { ceilMode: true, padding: 1 })),
  AvgPool3d: volume(4, () => nn.AvgPool3d(2, { stride: 1 })),
  AdaptiveAvgPool1d: signal(6, () => nn.AdaptiveAvgPool1d(3)),
  AdaptiveAvgPool2d: image(12, () => nn.AdaptiveAvgPool2d([2, 3])),
  AdaptiveAvgPool3d: volume(2, () => nn.AdaptiveAvgPool3d(1)),
  AdaptiveMaxPool1d: signal(6, () => nn.AdaptiveMaxPool1d(3)),
  AdaptiveMaxPool2d: image(12, () => nn.AdaptiveMaxPool2d([2, 3])),
  AdaptiveMaxPool3d: volume(2, () => nn.AdaptiveMaxPool3d(1)),
  ZeroPad1d: signal(14, () => nn.ZeroPad1d([1, 2])),
  ConstantPad2d: image(60, () => nn.ConstantPad2d(1, 0.5)),
  ReflectionPad1d: signal(14, () => nn.ReflectionPad1d([1, 2])),
  ReplicationPad2d: image(60, () => nn.ReplicationPad2d(1)),
  CircularPad1d: signal(14, () => nn.CircularPad1d([1, 2])),
  'Upsample, nearest': image(96, () => nn.Upsample({ scaleFactor: 2 })),
  'Upsample, bilinear': image(40, () => nn.Upsample({ size: [4, 5], mode: 'bilinear' })),
  'Upsample, linear': signal(14, () => nn.Upsample({ size: 7, mode: 'linear', alignCorners: true })),
  MultiheadAttention: tokens(12, () => sequence()),
  'MultiheadAttention, causal': tokens(12, () => sequence({ isCausal: true })),
  TransformerEncoderLayer: tokens(12, () =>
    nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 3, activation: 'gelu', ...seeded(1) }),
  ),
  'TransformerEncoderLayer, normFirst': tokens(12, () =>
    nn.TransformerEncoderLayer(4, 1, { dimFeedforward: 3, normFirst: true, ...seeded(1) }),
  ),
  RNN: recurrent(9, () => nn.RNN(4, 3, seeded(1))),
  'RNN, two layers, both directions': recurrent(12, () =>
    nn.RNN(4, 2, { numLayers: 2, bidirectional: true, ...seeded(1) }),
  ),
  LSTM: recurrent(6, () => nn.LSTM(4, 2, seeded(1))),
  GRU: recurrent(6, () => nn.GRU(4, 2, seeded(1))),
}

const quantities: readonly (readonly [keyof typeof definitions, () => Extension<ParameterMap<Tensor>>])[] = [
  ['batch-gradient', BatchGradient],
  ['diag-ggn', DiagGGN],
  ['diag-hessian', DiagHessian],
]

describe.each(Object.entries(cases))('%s', (name, { input, output, model }) => {
  it.each(quantities)('%s is what brute force says', async (quantity, extension) => {
    const { problem } = regression(name, input, output, model)
    await checkExtension(extension(), { ...problem(2), definition: definitions[quantity], rtol: 1e-7 })
  })
})

describe('Embedding', () => {
  const indices = (samples: number): Tensor =>
    tensor(
      Int32Array.from({ length: 3 * samples }, (_, i) => (i * i + 1) % 4),
      { shape: [samples, 3], dtype: 'int32' },
    ) as unknown as Tensor

  it.each(quantities)(
    '%s is what brute force says, with and without padding',
    async (quantity, extension) => {
      for (const options of [seeded(1), { ...seeded(1), paddingIdx: 1 }]) {
        const table = perturbed(nn.Embedding(4, 2, options)) as unknown as Module
        const model = Sequential(table, Flatten(), Tanh(), Linear(6, 2, seeded(2)))
        const { problem } = regression('embedding', [3], [2], () => model)
        await checkExtension(extension(), {
          ...problem(3),
          inputs: indices(3),
          definition: definitions[quantity],
        })
      }
    },
  )
})

describe('batch normalisation in training', () => {
  const model = Sequential(Linear(3, 4, seeded(1)), nn.BatchNorm1d(4), Tanh(), Linear(4, 2, seeded(2)))
  const training = Object.assign((x: Tensor) => nn.trainingPass().of(model)(x), {
    parameters: model.parameters,
  })

  it('refuses quantities of single samples, and names the op where they meet', async () => {
    const { problem } = regression('batch norm', [3], [2], () => training)
    for (const [quantity, extension] of quantities) {
      await expect(
        checkExtension(extension(), { ...problem(4), definition: definitions[quantity] }),
      ).rejects.toMatchObject({ code: 'mixed-samples', message: expect.stringContaining('sum') as string })
    }
  })
})
