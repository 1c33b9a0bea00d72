import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  adaptiveAvgPool,
  adaptiveMaxPool,
  avgPool,
  conv,
  convTranspose,
  evaluate,
  globalAvgPool,
  globalMaxPool,
  lpPool,
  maxPool,
  referenceEngine,
  reshape,
  tensor,
  type Tensor,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const engine = referenceEngine()
const filled = (shape: readonly number[], seed = 0): Tensor =>
  reshape(
    tensor(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 2.3 * i))),
    shape,
  )
const read = async (x: Tensor): Promise<number[]> => [...(await evaluate([x], { engine }))[0].data]

const row = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 5 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  before: fc.integer({ min: 0, max: 3 }),
  after: fc.integer({ min: 0, max: 3 }),
})

describe('ceil mode', () => {
  it('lets the last window hang over, as long as it begins inside', async () => {
    await fc.assert(
      fc.asyncProperty(row, async ({ size, kernel, stride, dilation, before, after }) => {
        const reach = dilation * (kernel - 1) + 1
        fc.pre(before < reach && after < reach && size + before + after >= reach)
        const x = filled([1, 1, size])
        const values = await read(x)
        // The definition: starts from -before on, while a window begins before the padding's start on the right.
        const starts: number[] = []
        for (let start = -before; ; start += stride) {
          const begins = starts.length === 0 || start < size
          const reaches = start - stride + reach < size + after
          if (starts.length > 0 && (!begins || !reaches)) break
          starts.push(start)
        }
        const windows = starts.map((start) =>
          Array.from({ length: kernel }, (_, e) => start + e * dilation).filter((at) => at < size + after),
        )
        const inside = windows.map((window) =>
          window.filter((at) => at >= 0 && at < size).map((at) => values[at]!),
        )
        fc.pre(inside.every((window) => window.length > 0))
        const options = { stride, dilation, padding: [[before, after]] as [number, number][], ceil: true }
        const sums = inside.map((window) => window.reduce((a, b) => a + b, 0))
        expect(await read(maxPool(x, [kernel], options))).toEqual(inside.map((window) => Math.max(...window)))
        const counted = await read(avgPool(x, [kernel], options))
        sums.forEach((total, i) => expect(counted[i]).toBeCloseTo(total / windows[i]!.length, 12))
        const uncounted = await read(avgPool(x, [kernel], { ...options, countPadding: false }))
        sums.forEach((total, i) => expect(uncounted[i]).toBeCloseTo(total / inside[i]!.length, 12))
        const powers = await read(lpPool(x, 3, [kernel], options))
        inside.forEach((window, i) => {
          expect(powers[i]).toBeCloseTo(Math.cbrt(window.reduce((a, b) => a + Math.abs(b) ** 3, 0)), 10)
        })
      }),
      { numRuns: 300 },
    )
  })
})

describe('pools over everything and to a size', () => {
  it('global pools keep the spatial axes', async () => {
    const x = reshape(tensor([1, 2, 3, 4, 5, 6, 7, 8]), [1, 2, 2, 2])
    await expectValues(globalAvgPool(x), [[[[2.5]], [[6.5]]]])
    await expectValues(globalMaxPool(x), [[[[4]], [[8]]]])
    expect(() => globalAvgPool(zeros([2, 3]))).toThrow(/expects \[N, C, \.\.\.spatial\]/)
  })

  it('adaptive pools cover ⌊i·size/n⌋ to ⌈(i+1)·size/n⌉', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        async (height, width, rows, columns) => {
          const x = filled([1, 1, height, width])
          const values = await read(x)
          const [means, tops]: [number[], number[]] = [[], []]
          for (let i = 0; i < rows; i++) {
            for (let j = 0; j < columns; j++) {
              const window: number[] = []
              for (let y = Math.floor((i * height) / rows); y < Math.ceil(((i + 1) * height) / rows); y++) {
                for (
                  let z = Math.floor((j * width) / columns);
                  z < Math.ceil(((j + 1) * width) / columns);
                  z++
                ) {
                  window.push(values[y * width + z]!)
                }
              }
              means.push(window.reduce((a, b) => a + b, 0) / window.length)
              tops.push(Math.max(...window))
            }
          }
          const found = await read(adaptiveAvgPool(x, [rows, columns]))
          means.forEach((value, k) => expect(found[k]).toBeCloseTo(value, 12))
          expect(await read(adaptiveMaxPool(x, [rows, columns]))).toEqual(tops)
        },
      ),
      { numRuns: 100 },
    )
    expect(() => adaptiveAvgPool(zeros([1, 1, 4]), [2, 2])).toThrow(/must be 1 positive integers/)
  })
})

describe('transposed convolution', () => {
  it('is the transpose of the convolution: ⟨conv(z), x⟩ = ⟨z, convTranspose(x)⟩', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          positions: fc.integer({ min: 1, max: 4 }),
          kernel: fc.integer({ min: 1, max: 3 }),
          stride: fc.integer({ min: 1, max: 3 }),
          dilation: fc.integer({ min: 1, max: 2 }),
          padding: fc.integer({ min: 0, max: 1 }),
          extra: fc.integer({ min: 0, max: 2 }),
          groups: fc.constantFrom(1, 2),
        }),
        async ({ positions, kernel, stride, dilation, padding, extra, groups }) => {
          const size = (positions - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + extra
          fc.pre(extra < stride && size > 0)
          const options = { stride, dilation, padding, groups }
          const x = filled([2, 4, positions, 2], 1)
          const w = filled([4, 3, kernel, 1], 2)
          const plain = { ...options, stride: [stride, 1], dilation: [dilation, 1], padding: [padding, 0] }
          const y = convTranspose(x, w, { ...plain, outputPadding: [extra, 0] })
          expect(y.shape).toEqual([2, 3 * groups, size, 2])
          const z = filled(y.shape, 3)
          const [a, b] = await evaluate([conv(z, w, plain).mul(x).sum(), z.mul(y).sum()], { engine })
          expect(a.data[0]).toBeCloseTo(b.data[0]!, 10)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('spreads a kernel at every position; output padding brings back what was cut off, then zeros', async () => {
    const [x, w] = [tensor([[[1, 2]]]), tensor([[[1, 10, 100]]])]
    await expectValues(convTranspose(x, w, { stride: 2 }), [[[1, 10, 102, 20, 200]]])
    await expectValues(convTranspose(x, w, { stride: 2, padding: 1 }), [[[10, 102, 20]]])
    await expectValues(convTranspose(x, w, { stride: 2, padding: 1, outputPadding: 1 }), [
      [[10, 102, 20, 200]],
    ])
    await expectValues(convTranspose(x, w, { stride: 2, outputPadding: 1 }), [[[1, 10, 102, 20, 200, 0]]])
    await expectValues(convTranspose(x, w, { stride: 2, outputPadding: 3 }), [
      [[1, 10, 102, 20, 200, 0, 0, 0]],
    ])
    // All that is left is what the stride passes over.
    const one = tensor([[[1]]])
    await expectValues(convTranspose(one, one, { stride: 2, padding: [[1, 0]], outputPadding: 1 }), [[[0]]])
  })

  it('says what does not fit', () => {
    expect(() => convTranspose(zeros([1, 2, 4]), zeros([3, 1, 2]))).toThrow(/not \[1, 2, 4\] and \[3, 1, 2\]/)
    expect(() => convTranspose(zeros([1, 1, 1]), zeros([1, 1, 2]), { padding: 1 })).toThrow(/leaves nothing/)
    expect(() => convTranspose(zeros([1, 1, 1]), zeros([1, 1, 2]), { outputPadding: -1 })).toThrow(
      /outputPadding/,
    )
    expect(() => convTranspose(zeros([1, 3, 1]), zeros([3, 1, 2]), { groups: 2 })).toThrow(/groups|group/)
  })
})
