import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate, padWith, type PadMode, referenceEngine, reshape, tensor, zeros } from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const engine = referenceEngine()

/** Where a place outside of 0 … size − 1 reads. */
const sources: Readonly<Record<Exclude<PadMode, 'constant'>, (at: number, size: number) => number>> = {
  edge: (at, size) => Math.min(Math.max(at, 0), size - 1),
  circular: (at, size) => (at + size) % size,
  reflect: (at, size) => (at < 0 ? -at : at >= size ? 2 * size - 2 - at : at),
  symmetric: (at, size) => (at < 0 ? -at - 1 : at >= size ? 2 * size - 1 - at : at),
}

describe('padWith', () => {
  it.each(Object.entries(sources))('%s reads what its definition says, on two axes', async (mode, source) => {
    const size = { min: 1, max: 4 }
    const amount = fc.integer({ min: -2, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(fc.integer(size), fc.integer(size)),
        fc.tuple(amount, amount),
        fc.tuple(amount, amount),
        async (shape, before, after) => {
          const limit = (n: number): number => (mode === 'edge' ? Infinity : mode === 'reflect' ? n - 1 : n)
          fc.pre(shape.every((n, i) => Math.max(before[i]!, after[i]!) <= limit(n)))
          const sizes = shape.map((n, i) => n + before[i]! + after[i]!)
          fc.pre(
            sizes.every((n) => n > 0) &&
              shape.every((n, i) => n + Math.min(0, before[i]!) + Math.min(0, after[i]!) >= 0),
          )
          const data = Array.from({ length: shape[0] * shape[1] }, (_, i) => i)
          const [found] = await evaluate(
            [padWith(reshape(tensor(data), shape), before, after, mode as PadMode)],
            { engine },
          )
          expect(found.shape).toEqual(sizes)
          const expected = Array.from({ length: sizes[0]! }, (_, i) =>
            Array.from({ length: sizes[1]! }, (__, j) => {
              const [row, column] = [source(i - before[0], shape[0]), source(j - before[1], shape[1])]
              return data[row * shape[1] + column]!
            }),
          )
          expect([...found.data]).toEqual(expected.flat())
        },
      ),
      { numRuns: 100 },
    )
  })

  it('constant pads with a number, and cuts off where amounts are negative', async () => {
    await expectValues(padWith(tensor([1, 2, 3]), [1], [-2], 'constant', 9), [9, 1])
    await expectValues(padWith(tensor([[1, 2]]), [0, -1], [1, 1], 'constant'), [
      [2, 0],
      [0, 0],
    ])
  })

  it('says what does not fit', () => {
    expect(() => padWith(zeros([2, 3]), [0, 3], [0, 0], 'reflect')).toThrow(
      /at most 2 elements for axis 1 of \[2, 3\], not 3/,
    )
    expect(() => padWith(zeros([2]), [3], [0], 'circular')).toThrow(/at most 2/)
    expect(() => padWith(zeros([0]), [1], [0], 'edge')).toThrow(/at most 0/)
    expect(() => padWith(zeros([2]), [-2], [-1], 'edge')).toThrow(/more is cut off axis 0 than \[2\] has/)
    expect(() => padWith(zeros([2]), [0.5], [0], 'edge')).toThrow(/are not paddings of \[2\]/)
    expect(() => padWith(zeros([2]), [1], [0], 'wrap' as never)).toThrow(
      /no mode "wrap"; use constant, reflect/,
    )
  })
})
