import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  avgPool,
  avgPoolVjp,
  conv,
  convInput,
  convWeight,
  evaluate,
  fold,
  maxPool,
  maxPoolJvp,
  maxPoolVjp,
  reshape,
  sizeOf,
  tensor,
  type Tensor,
  unfold,
  type Window,
  windowOf,
  windowPositions,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const line = tensor([[[1, 2, 3, 4]]])
const grid = tensor([
  [
    [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ],
  ],
])

describe('convolutions', () => {
  it('slide a window: strides, dilation, padding that differs by side', async () => {
    const w = tensor([[[1, -1]]])
    await expectValues(conv(line, w), [[[-1, -1, -1]]])
    await expectValues(conv(line, w, { stride: 2 }), [[[-1, -1]]])
    await expectValues(conv(line, w, { dilation: 2 }), [[[-2, -2]]])
    await expectValues(conv(line, w, { padding: [[1, 0]] }), [[[-1, -1, -1, -1]]])
    await expectValues(conv(line, w, { padding: [[0, 2]] }), [[[-1, -1, -1, 4, 0]]])
    await expectValues(conv(grid, tensor([[[[1], [10]]]])), [
      [
        [
          [41, 52, 63],
          [74, 85, 96],
        ],
      ],
    ])
  })

  it('sum over channels within a group', async () => {
    const x = tensor([
      [
        [1, 2],
        [10, 20],
      ],
    ])
    await expectValues(conv(x, tensor([[[1], [1]]])), [[[11, 22]]])
    await expectValues(conv(x, tensor([[[2]], [[3]]]), { groups: 2 }), [
      [
        [2, 4],
        [30, 60],
      ],
    ])
    await expectValues(conv(x, tensor([[[1]], [[2]], [[3]], [[4]]]), { groups: 2 }), [
      [
        [1, 2],
        [2, 4],
        [30, 60],
        [40, 80],
      ],
    ])
  })

  it('of no samples are none', async () => {
    await expectValues(conv(zeros([0, 1, 4]), zeros([2, 1, 3])), [], [0, 2, 2])
    await expectValues(maxPool(zeros([0, 2, 4]), [2]), [], [0, 2, 2])
  })
})

describe('pools', () => {
  it('take the first largest of each window, and padding never wins', async () => {
    await expectValues(maxPool(grid, [2, 2], { stride: 1 }), [
      [
        [
          [5, 6],
          [8, 9],
        ],
      ],
    ])
    await expectValues(maxPool(tensor([[[-3, -2]]]), [2], { stride: 1, padding: 1 }), [[[-3, -2, -2]]])
    const ties = tensor([[[1, 1, 0]]])
    const window = windowOf('test', [2], { stride: 1 })
    await expectValues(maxPoolVjp(ties, tensor([[[10, 20]]]), window), [[[10, 20, 0]]])
    await expectValues(maxPoolJvp(ties, tensor([[[5, 6, 7]]]), window), [[[5, 6]]])
  })

  it('of a window that sees only padding, which dilation can bring about, are −∞', async () => {
    await expectValues(maxPool(tensor([[[5]]]), [2], { padding: 1, dilation: 2 }), [[[-Infinity]]])
  })

  it('average with or without the padding', async () => {
    await expectValues(avgPool(line, [2]), [[[1.5, 3.5]]])
    await expectValues(avgPool(line, [3], { padding: 1, stride: 2 }), [[[1, 3]]])
    await expectValues(avgPool(line, [3], { padding: 1, stride: 2, countPadding: false }), [[[1.5, 3]]])
    const attributes = { ...windowOf('test', [2], { stride: 2 }), countPadding: true }
    await expectValues(avgPoolVjp(tensor([[[2, 4]]]), attributes, [4]), [[[1, 1, 2, 2]]])
  })
})

describe('windows', () => {
  it('unfold writes each as a column, fold adds it back', async () => {
    const window = windowOf('test', [2])
    await expectValues(unfold(line, window), [
      [
        [1, 2, 3],
        [2, 3, 4],
      ],
    ])
    await expectValues(fold(unfold(line, window), window, [4]), [[[1, 4, 6, 4]]])
  })

  it('have as many positions as fit', () => {
    const positions = (spatial: number[], options: Parameters<typeof windowOf>[2]): number[] =>
      windowPositions('test', spatial, windowOf('test', [3, 2], options))
    expect(positions([5, 5], {})).toEqual([3, 4])
    expect(positions([5, 5], { stride: [2, 3] })).toEqual([2, 2])
    expect(positions([5, 5], { dilation: 2, padding: [[1, 2], 0] })).toEqual([4, 3])
    expect(() => windowOf('test', [2], { stride: [1, 1] })).toThrow(
      'test: stride [1, 1] must be 1 integers, each at least 1',
    )
  })
})

const axis = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  before: fc.nat(2),
  after: fc.nat(2),
  extra: fc.nat(3),
})

const geometries = fc.record({
  axes: fc.array(axis, { minLength: 1, maxLength: 2 }),
  groups: fc.integer({ min: 1, max: 3 }),
  inner: fc.integer({ min: 1, max: 2 }),
  out: fc.integer({ min: 1, max: 2 }),
})

/** Different numbers that no accident makes equal. */
const numbered = (shape: readonly number[], start: number): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(start + i)),
    { shape, dtype: 'float32' },
  )

describe('for groups × stride × dilation × asymmetric padding', () => {
  const property = fc.asyncProperty(geometries, async ({ axes, groups, inner, out }) => {
    const window: Window = {
      kernel: axes.map((a) => a.kernel),
      stride: axes.map((a) => a.stride),
      dilation: axes.map((a) => a.dilation),
      before: axes.map((a) => a.before),
      after: axes.map((a) => a.after),
    }
    const spatial = axes.map(
      (a) => Math.max(1, a.dilation * (a.kernel - 1) + 1 - a.before - a.after) + a.extra,
    )
    const positions = windowPositions('test', spatial, window)
    const places = sizeOf(positions)
    const x = numbered([2, groups * inner, ...spatial], 1)
    const w = numbered([groups * out, inner, ...window.kernel], 2)
    const g = numbered([2, groups * out, ...positions], 3)
    const z = conv(x, w, {
      groups,
      stride: window.stride,
      dilation: window.dilation,
      padding: window.before.map((b, i) => [b, window.after[i]!] as const),
    })
    expect(z.shape).toEqual(g.shape)
    const columns = reshape(unfold(x, window), [2, groups, -1, places])
    const matrices = reshape(w, [1, groups, out, -1])
    const y = numbered([2, groups * inner * sizeOf(window.kernel), places], 4)
    const values = await evaluate({
      // A convolution is a product with the unfolded input.
      z,
      product: reshape(matrices.matmul(columns), z.shape),
      // ⟨g, conv(x, w)⟩ seen from g, from x and from w.
      inner: [
        g.mul(z).sum(),
        x.mul(convInput(g, w, { ...window, groups }, spatial)).sum(),
        w.mul(convWeight(x, g, { ...window, groups })).sum(),
      ],
      // ⟨y, unfold(x)⟩ = ⟨fold(y), x⟩.
      folded: [y.mul(unfold(x, window)).sum(), fold(y, window, spatial).mul(x).sum()],
    })
    values.z.data.forEach((value, i) => expect(value).toBeCloseTo(values.product.data[i]!, 10))
    for (const { data } of values.inner) expect(data[0]).toBeCloseTo(values.inner[0].data[0]!, 10)
    expect(values.folded[1].data[0]).toBeCloseTo(values.folded[0].data[0]!, 10)
  })

  it('convolutions are products with unfolded windows, and their partners are their transposes', async () => {
    await fc.assert(property, { numRuns: 100, seed: 20_261 })
  })
})
