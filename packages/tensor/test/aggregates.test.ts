import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  argmin,
  clip,
  cumsum,
  intTensor,
  logSumExp,
  min,
  norm,
  prod,
  sum,
  tensor,
  type Tensor,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const [nan, inf] = [NaN, Infinity]
const x = tensor([
  [3, -1, 2],
  [-5, 4, 0],
])

describe('reductions', () => {
  it('min and argmin', async () => {
    await expectValues(min(x), -5)
    await expectValues(min(x, [0]), [-5, -1, 0])
    await expectValues(min(x, [1], { keep: true }), [[-1], [-5]])
    await expectValues(min(tensor([1, nan, inf])), nan)
    await expectValues(argmin(x, 1), [1, 0])
    await expectValues(argmin(tensor([2, nan, 1, 1]), 0), 2)
    await expectValues(
      argmin(
        intTensor([
          [1, 1],
          [0, 2],
        ]),
        0,
        { keep: true },
      ),
      [[1, 0]],
    )
    expect(() => min(zeros([0, 2]), [0])).toThrow('min: there is no min over an empty axis of [0, 2]')
    expect(() => argmin(zeros([0]), 0)).toThrow('no argmax over an empty axis')
  })

  it('prod of any number of factors, over any axes', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 17 }),
        fc.integer({ min: 1, max: 3 }),
        async (factors, copies) => {
          const product = factors.reduce((a, b) => a * b, 1)
          const rows = tensor(Float32Array.from(Array(copies).fill(factors).flat() as number[]), {
            shape: [copies, factors.length],
            dtype: 'float32',
          })
          await expectValues(prod(rows, [1]), Array<number>(copies).fill(product))
          await expectValues(prod(rows), product ** copies)
        },
      ),
    ))

  it('prod keeps axes, and is 1 over nothing', async () => {
    await expectValues(prod(x, [0], { keep: true }), [[-15, -4, 0]])
    await expectValues(prod(x, []), [
      [3, -1, 2],
      [-5, 4, 0],
    ])
    await expectValues(prod(zeros([0, 2]), [0]), [1, 1])
    await expectValues(prod(tensor(7)), 7)
  })

  it('cumsum', async () => {
    await expectValues(cumsum(x, 0), [
      [3, -1, 2],
      [-2, 3, 2],
    ])
    await expectValues(cumsum(x, -1), [
      [3, 2, 4],
      [-5, -1, -1],
    ])
    await expectValues(cumsum(x, 1, { exclusive: true }), [
      [0, 3, 2],
      [0, -5, -1],
    ])
    await expectValues(cumsum(x, 1, { reverse: true }), [
      [4, 1, 2],
      [-1, 4, 0],
    ])
    await expectValues(cumsum(x, 1, { exclusive: true, reverse: true }), [
      [1, 2, 0],
      [4, 0, 0],
    ])
    await expectValues(cumsum(tensor([1, inf, 2, nan]), 0, { exclusive: true }), [0, 1, inf, inf])
    await expectValues(cumsum(zeros([2, 0]), 1), [[], []], [2, 0])
    expect(() => cumsum(tensor(1), 0)).toThrow('cumsum: axis 0 does not exist in a tensor of rank 0')
  })

  it('logSumExp over some axes, which stay where one is named, or on request', async () => {
    const rows = tensor([
      [0, 0],
      [1000, 1000],
    ])
    await expectValues(logSumExp(rows, 1), [[Math.log(2)], [1000 + Math.log(2)]])
    await expectValues(logSumExp(rows, 1, { keep: false }), [Math.log(2), 1000 + Math.log(2)])
    await expectValues(logSumExp(rows, [1]), [Math.log(2), 1000 + Math.log(2)])
    await expectValues(logSumExp(rows, [0, 1], { keep: true }), [[1000 + Math.log(2)]])
    await expectValues(logSumExp(rows), 1000 + Math.log(2))
  })

  it('logSumExp of infinities, NaN and nothing', async () => {
    const odd = tensor([
      [-inf, -inf],
      [-inf, 2],
      [inf, 3],
      [inf, -inf],
      [nan, 1],
    ])
    await expectValues(logSumExp(odd, [1]), [-inf, 2, inf, inf, nan])
    await expectValues(logSumExp(zeros([2, 0]), [1]), [-inf, -inf])
  })

  it('norms', async () => {
    const vectors = tensor([
      [3, -4],
      [0, 0],
    ])
    await expectValues(norm(vectors, [1]), [5, 0])
    await expectValues(norm(vectors, [1], { order: 1, keep: true }), [[7], [0]])
    await expectValues(norm(vectors, [0], { order: inf }), [3, 4])
    await expectValues(norm(vectors), 5)
    expect(() => norm(vectors, [1], { order: 3 })).toThrow('norm: the order 3 is not 1, 2 or Infinity')
  })
})

describe('clip', () => {
  it('keeps between bounds, either of which may be missing', async () => {
    const y = tensor([-2, 0.5, 3, nan])
    await expectValues(clip(y, -1, 1), [-1, 0.5, 1, nan])
    await expectValues(clip(y, -1), [-1, 0.5, 3, nan])
    await expectValues(clip(y, undefined, 1), [-2, 0.5, 1, nan])
    await expectValues(clip(y, tensor([0, 1, 0, 0])), [0, 1, 3, nan])
    expect(clip(y)).toBe(y)
    expect(() => clip(y, 1, -1)).toThrow('clip: the bounds 1 and -1 leave nothing between them')
    expect(clip(intTensor([1]), 0).dtype).toBe('int32')
  })

  it('is a sum of its parts', async () => {
    const y: Tensor = tensor([-2, 0.5, 3])
    await expectValues(sum(clip(y, 0).sub(clip(y.neg(), 0))), 1.5)
  })
})
