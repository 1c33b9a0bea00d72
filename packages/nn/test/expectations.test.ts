/** @file What layers say of inputs and options that they can't take, and what PyTorch's values don't show. */
import { gradient, type Module } from '@beyondgrad/autograd'
import { BeyondgradError, intTensor, ones, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import * as nn from '../src/index.ts'

const x = ones([2, 3])

const inputs: readonly (readonly [string, () => unknown, string])[] = [
  ['Conv1d', () => nn.Conv1d(2, 2, 1)(x), 'Conv1d: expects [N, 2, L], got [2, 3]'],
  ['Conv3d', () => nn.Conv3d(2, 2, 1)(x), 'Conv3d: expects [N, 2, D, H, W], got [2, 3]'],
  [
    'ConvTranspose2d',
    () => nn.ConvTranspose2d(4, 2, 1)(x),
    'ConvTranspose2d: expects [N, 4, H, W], got [2, 3]',
  ],
  ['MaxPool1d', () => nn.MaxPool1d(2)(x), 'MaxPool1d: expects [N, C, L], got [2, 3]'],
  ['AvgPool3d', () => nn.AvgPool3d(2)(x), 'AvgPool3d: expects [N, C, D, H, W], got [2, 3]'],
  [
    'AdaptiveAvgPool2d',
    () => nn.AdaptiveAvgPool2d(1)(x),
    'AdaptiveAvgPool2d: expects [N, C, H, W], got [2, 3]',
  ],
  ['ReflectionPad1d', () => nn.ReflectionPad1d(1)(x), 'ReflectionPad1d: expects [N, C, L], got [2, 3]'],
  [
    'ReflectionPad1d, too wide',
    () => nn.ReflectionPad1d(3)(ones([1, 1, 3])),
    'finds at most 2 elements for axis 2',
  ],
  [
    'Upsample',
    () => nn.Upsample({ size: 4, mode: 'bilinear' })(x),
    'Upsample: mode "bilinear" expects [N, C, H, W]',
  ],
  ['Unflatten', () => nn.Unflatten(1, [2, 2])(x), 'Unflatten: axis 1 of [2, 3] does not fall into [2, 2]'],
  ['PReLU', () => nn.PReLU(4)(x), 'PReLU: expects [N, 4, ...], got [2, 3]'],
  ['BatchNorm1d', () => nn.BatchNorm1d(2)(x), 'BatchNorm1d: expects [N, 2] or [N, 2, L], got [2, 3]'],
  ['BatchNorm2d', () => nn.BatchNorm2d(3)(x), 'BatchNorm2d: expects [N, 3, H, W], got [2, 3]'],
  ['LayerNorm', () => nn.LayerNorm([2, 3])(x), 'LayerNorm: expects [N, ..., 2, 3], got [2, 3]'],
  ['RMSNorm', () => nn.RMSNorm(2)(x), 'RMSNorm: expects [N, ..., 2], got [2, 3]'],
  ['GroupNorm', () => nn.GroupNorm(2, 4)(x), 'GroupNorm: expects [N, 4, ...], got [2, 3]'],
  ['InstanceNorm1d', () => nn.InstanceNorm1d(3)(x), 'InstanceNorm1d: expects [N, 3, L], got [2, 3]'],
  [
    'Embedding',
    () => nn.Embedding(3, 2)(x as never),
    'Embedding: expects int32 or int64 indices [N, ...], not float32',
  ],
  [
    'MultiheadAttention',
    () => nn.MultiheadAttention(4, 2)(x),
    'MultiheadAttention: expects query [N, L, 4], key [N, S, 4] and value [N, S, 4], got [2, 3], [2, 3] and [2, 3]',
  ],
  [
    'MultiheadAttention, other keys',
    () => nn.MultiheadAttention(4, 2, { batchFirst: false })(ones([3, 2, 4]), ones([5, 1, 4])),
    'expects query [L, N, 4], key [S, N, 4] and value [S, N, 4], got [3, 2, 4], [5, 1, 4] and [5, 1, 4]',
  ],
  [
    'MultiheadAttention, mask',
    () => nn.MultiheadAttention(4, 2)(ones([1, 3, 4]), undefined, undefined, { attnMask: ones([2, 3]) }),
    'MultiheadAttention: attnMask must be [3, 3] or broadcast to [1, 2, 3, 3], got [2, 3]',
  ],
  ['LSTM', () => nn.LSTM(4, 2)(x), 'LSTM: expects [N, L, 4] with L at least 1, got [2, 3]'],
  [
    'GRU, empty',
    () => nn.GRU(4, 2)(ones([1, 0, 4])),
    'GRU: expects [N, L, 4] with L at least 1, got [1, 0, 4]',
  ],
  [
    'RNN, state',
    () => nn.RNN(4, 2)(ones([3, 1, 4]), ones([1, 2, 2])),
    'RNN: expects 1 initial state(s) [1, 3, 2], got [1, 2, 2]',
  ],
]

const options: readonly (readonly [string, () => unknown, string])[] = [
  [
    'padding',
    () => nn.Conv2d(1, 1, 3, { padding: [1] }),
    'Conv2d: padding is a number, a list of 2, "same" or "valid", not [1]',
  ],
  [
    'same and stride',
    () => nn.Conv1d(1, 1, 3, { padding: 'same', stride: 2 }),
    'Conv1d: padding "same" needs stride 1, not [2]',
  ],
  [
    'mode',
    () => nn.Conv1d(1, 1, 3, { paddingMode: 'mirror' as never }),
    'Conv1d: paddingMode is zeros, reflect, replicate or circular',
  ],
  ['kernel', () => nn.Conv3d(1, 1, [2, 2]), 'Conv3d: kernel is a number or a list of 3, not [2,2]'],
  [
    'sides',
    () => nn.ZeroPad2d([1, 2]),
    'ZeroPad2d: padding is an integer or a list of 4, last axis first, not [1,2]',
  ],
  ['upsampling', () => nn.Upsample({}), 'Upsample: give either size or scaleFactor'],
  ['groups', () => nn.GroupNorm(2, 3), 'GroupNorm: 2 groups must divide 3 channels'],
  ['heads', () => nn.MultiheadAttention(4, 3), 'MultiheadAttention: 3 heads must divide 4 features'],
  ['bounds', () => nn.Hardtanh(1, 0), 'Hardtanh: minVal 1 must be below maxVal 0'],
  [
    'index',
    () => nn.Embedding(3, 2, { paddingIdx: 3 }),
    'Embedding: paddingIdx must be an integer from -3 to 2, not 3',
  ],
  [
    'nesterov',
    () => nn.SGD(nn.Linear(1, 1).parameters, { learningRate: 1, nesterov: true }),
    'SGD: nesterov needs momentum',
  ],
  [
    'betas',
    () => nn.Adam(nn.Linear(1, 1).parameters, { betas: [0.9, 1] }),
    'Adam: betas[1] must be at least 0 and below 1, not 1',
  ],
  [
    'clipping',
    () => nn.Adam(nn.Linear(1, 1).parameters, { clipNorm: 0 }),
    'Adam: clipNorm must be a positive number, not 0',
  ],
  ['schedules', () => nn.stepDecay(1, { every: 0 }), 'stepDecay: every must be a positive integer, not 0'],
]

describe.each([
  ['inputs', inputs],
  ['options', options],
] as const)('%s that do not fit', (_kind, cases) => {
  it.each(cases)('%s', (_name, attempt, message) => {
    expect(attempt).toThrow(BeyondgradError)
    expect(attempt).toThrow(message)
  })
})

const read = async (of: Tensor): Promise<number[]> => Array.from((await of.read()).data)

describe('layers that the reference values lack', () => {
  it('RMSNorm divides by the root of the mean square', async () => {
    const layer = nn.RMSNorm(2, { eps: 0 })
    layer.parameters.get('weight').set(Float32Array.of(1, 2))
    const found = await read(layer(tensor([[3, 4]])))
    expect(found[0]).toBeCloseTo(3 / Math.sqrt(12.5), 12)
    expect(found[1]).toBeCloseTo(8 / Math.sqrt(12.5), 12)
  })

  it('padding of one and three axes', async () => {
    const row = tensor([[[1, 2, 3]]])
    expect(await read(nn.ZeroPad1d([2, 1])(row))).toEqual([0, 0, 1, 2, 3, 0])
    expect(await read(nn.CircularPad1d([2, 1])(row))).toEqual([2, 3, 1, 2, 3, 1])
    expect(
      await read(
        nn.CircularPad2d([1, 0, 0, 1])(
          tensor([
            [
              [
                [1, 2],
                [3, 4],
              ],
            ],
          ]),
        ),
      ),
    ).toEqual([2, 1, 2, 4, 3, 4, 2, 1, 2])
    expect(nn.ZeroPad3d([1, 2, 3, 4, 5, 6])(ones([1, 1, 1, 1, 1])).shape).toEqual([1, 1, 12, 8, 4])
    expect(nn.CircularPad3d(1)(ones([1, 1, 1, 2, 3])).shape).toEqual([1, 1, 3, 4, 5])
    // Negative padding cuts off.
    expect(await read(nn.ZeroPad1d([-1, 1])(row))).toEqual([2, 3, 0])
  })

  it('TransformerEncoder is its layers, one after the other', async () => {
    const layers = [1, 2].map((seed) => nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 3, seed }))
    const encoder = nn.TransformerEncoder((i) => layers[i]!, 2, { norm: nn.LayerNorm(4) })
    expect(encoder.parameters.names).toContain('layers.1.self_attn.in_proj_weight')
    expect(encoder.parameters.names).toContain('norm.bias')
    const source = ones([1, 3, 4]).mul(tensor([0.5, -1, 2, 0]))
    const masks = { isCausal: true }
    const by = nn.LayerNorm(4)(layers[1]!(layers[0]!(source, masks), masks))
    expect(await read(encoder(source, masks))).toEqual(await read(by))
  })
})

describe('initial values and gradients', () => {
  const largest = (module: Module<never, unknown>, name: string): number =>
    Math.max(...Array.from(module.parameters.get(name).cell.data as Float32Array, Math.abs))

  it('lie within PyTorch’s bounds', () => {
    const near = (value: number, bound: number): void => {
      expect(value).toBeLessThanOrEqual(bound)
      expect(value).toBeGreaterThan(0.9 * bound)
    }
    near(largest(nn.LSTM(3, 16, { seed: 1 }), 'weight_ih_l0'), 1 / 4)
    near(largest(nn.ConvTranspose2d(8, 16, 2, { groups: 2, seed: 1 }), 'weight'), 1 / Math.sqrt(8 * 4))
    near(largest(nn.MultiheadAttention(16, 2, { seed: 1 }), 'in_proj_weight'), Math.sqrt(6 / 64))
    expect(largest(nn.MultiheadAttention(16, 2, { seed: 1 }), 'in_proj_bias')).toBe(0)
    expect(largest(nn.Embedding(50, 4, { seed: 1 }), 'weight')).toBeGreaterThan(2)
  })

  it('a row of padding starts as zeros, gives what it holds, and gets no gradient', async () => {
    const layer = nn.Embedding(3, 2, { paddingIdx: -1, seed: 1 })
    const weight = layer.parameters.get('weight')
    expect(Array.from(weight.cell.data, Number).slice(4)).toEqual([0, 0])
    weight.set(Float32Array.of(1, 2, 3, 4, 5, 6))
    const rows = layer(intTensor([[2, 0]]))
    expect(await read(rows)).toEqual([5, 6, 1, 2])
    expect(await read(gradient(rows.square().sum(), [weight.value])[0]!)).toEqual([2, 4, 0, 0, 0, 0])
  })

  it('keeps dropped elements out of the derivative', async () => {
    const layer = nn.Dropout(0.5, { seed: 1 })
    const input = ones([4, 5])
    const dropped = nn.trainingPass().of(layer)(input)
    expect(await read(gradient(dropped.sum(), [input])[0]!)).toEqual(await read(dropped))
  })
})
