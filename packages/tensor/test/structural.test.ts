import { describe, expect, it } from 'vitest'
import {
  argmax,
  concat,
  expand,
  eye,
  full,
  intTensor,
  iota,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  mean,
  oneHot,
  ones,
  pad,
  reshape,
  slice,
  softmax,
  stack,
  sum,
  sumTo,
  tensor,
  transpose,
  transposeLast,
  unsqueeze,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const [nan, inf] = [NaN, Infinity]
const x = tensor([
  [1, 2, 3],
  [4, 5, 6],
])
const cube = reshape(tensor(Array.from({ length: 8 }, (_, i) => i)), [2, 2, 2])

describe('data', () => {
  it('a typed array is taken over, not copied', () => {
    const numbers = Float32Array.of(1, 2)
    const a = tensor(numbers, { shape: [2], dtype: 'float32' })
    expect((a.attributes.value as { data: unknown }).data).toBe(numbers)
  })
})

describe('reductions', () => {
  it('sum over some axes, all, none, with and without keeping them', async () => {
    await expectValues(sum(x), 21)
    await expectValues(sum(x, [0]), [5, 7, 9])
    await expectValues(sum(x, [-1], { keep: true }), [[6], [15]])
    await expectValues(sum(cube, [2, 0]), [0 + 1 + 4 + 5, 2 + 3 + 6 + 7])
    expect(sum(x, [])).toBe(x)
    await expectValues(sum(tensor(3)), 3)
    await expectValues(sum(intTensor([[1, 2]]), [1]), [3])
  })

  it('the sum over nothing is 0, the maximum of nothing is an error', async () => {
    await expectValues(sum(zeros([2, 0]), [1]), [0, 0])
    await expectValues(sum(zeros([0, 2]), [1]), [], [0])
    await expectValues(max(zeros([0, 2]), [1]), [], [0])
    expect(() => max(zeros([0, 2]), [0])).toThrow('there is no max over an empty axis')
    expect(() => argmax(zeros([2, 0]), 1)).toThrow('there is no argmax over an empty axis')
  })

  it('mean and maximum; NaN wins', async () => {
    await expectValues(mean(x, [1]), [2, 5])
    await expectValues(x.mean(), 3.5)
    await expectValues(max(x, [0]), [4, 5, 6])
    await expectValues(
      max(
        tensor([
          [1, nan, 3],
          [-inf, -inf, -inf],
        ]),
        [1],
        { keep: true },
      ),
      [[nan], [-inf]],
    )
  })

  it('argmax is the first largest', async () => {
    const ties = tensor([
      [1, 3, 3],
      [2, 2, 2],
    ])
    await expectValues(argmax(ties, 1), [1, 0])
    await expectValues(argmax(ties, 0, { keep: true }), [[1, 0, 0]])
    expect(argmax(ties, -1).dtype).toBe('int32')
  })

  it('sumTo undoes a broadcast', async () => {
    await expectValues(sumTo(x, [3]), [5, 7, 9])
    await expectValues(sumTo(x, [2, 1]), [[6], [15]])
    await expectValues(sumTo(x, []), 21)
    expect(sumTo(x, [2, 3])).toBe(x)
  })
})

describe('movement', () => {
  it('reshape keeps the order; of itself it is one reshape, and none if nothing changes', async () => {
    await expectValues(reshape(x, [3, 2]), [
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    await expectValues(reshape(x, [-1]), [1, 2, 3, 4, 5, 6])
    await expectValues(reshape(zeros([0, 3]), [3, 0]), [[], [], []])
    await expectValues(reshape(tensor([5]), []), 5)
    expect(reshape(reshape(x, [6]), [3, 2]).inputs).toEqual([x])
    expect(reshape(reshape(x, [6]), [2, 3])).toBe(x)
  })

  it('transpose reorders axes; two are one, and there and back is nothing', async () => {
    await expectValues(transpose(x), [
      [1, 4],
      [2, 5],
      [3, 6],
    ])
    await expectValues(transpose(cube, [2, 0, 1]).slice(0, 1, 2), [
      [
        [1, 3],
        [5, 7],
      ],
    ])
    expect(transpose(transpose(x))).toBe(x)
    expect(transpose(transpose(cube, [1, 2, 0]), [1, 0, 2]).inputs).toEqual([cube])
    await expectValues(transposeLast(cube), [
      [
        [0, 2],
        [1, 3],
      ],
      [
        [4, 6],
        [5, 7],
      ],
    ])
    expect(transpose(tensor(3)).shape).toEqual([])
  })

  it('expand repeats axes of size 1 and adds axes in front', async () => {
    await expectValues(expand(tensor([[1], [2]]), [2, 2, 3]), [
      [
        [1, 1, 1],
        [2, 2, 2],
      ],
      [
        [1, 1, 1],
        [2, 2, 2],
      ],
    ])
    await expectValues(expand(tensor(7), [2]), [7, 7])
    await expectValues(expand(tensor([[1]]), [0, 1]), [], [0, 1])
  })

  it('slice counts from either end, clamps, steps, and may be empty', async () => {
    const row = tensor([0, 1, 2, 3, 4])
    await expectValues(slice(row, 0, 1, 4), [1, 2, 3])
    await expectValues(slice(row, 0, -2), [3, 4])
    await expectValues(slice(row, 0, 0, 5, 2), [0, 2, 4])
    await expectValues(slice(row, 0, 1, -1, 3), [1])
    await expectValues(slice(row, 0, -99, 99, 4), [0, 4])
    await expectValues(slice(row, 0, 3, 2), [], [0])
    await expectValues(slice(x, 1, 1, 2), [[2], [5]])
    expect(slice(x, 0, 0, 2)).toBe(x)
  })

  it('pad puts a value around, on each side its own', async () => {
    await expectValues(pad(tensor([[1, 2]]), [1, 0], [0, 2]), [
      [0, 0, 0, 0],
      [1, 2, 0, 0],
    ])
    await expectValues(pad(tensor([1]), [1], [1], -inf), [-inf, 1, -inf])
    await expectValues(pad(zeros([0]), [2], [1], 3), [3, 3, 3])
    expect(pad(x, [0, 0], [0, 0])).toBe(x)
  })

  it('concat, stack and unsqueeze', async () => {
    await expectValues(concat([x, tensor([[7], [8]])], 1), [
      [1, 2, 3, 7],
      [4, 5, 6, 8],
    ])
    await expectValues(concat([zeros([0, 3]), x, zeros([0, 3])], 0), [
      [1, 2, 3],
      [4, 5, 6],
    ])
    await expectValues(stack([tensor([1, 2]), tensor([3, 4])], 1), [
      [1, 3],
      [2, 4],
    ])
    expect(concat([x], -1)).toBe(x)
    expect(unsqueeze(x, [0, -1]).shape).toEqual([1, 2, 3, 1])
  })

  it('filled tensors', async () => {
    await expectValues(full([2, 1], 3), [[3], [3]])
    await expectValues(ones([]), 1)
    await expectValues(eye(2), [
      [1, 0],
      [0, 1],
    ])
    await expectValues(iota(3), [0, 1, 2])
    await expectValues(iota(0), [], [0])
  })
})

describe('matrix products', () => {
  it('of matrices, vectors and batches that broadcast', async () => {
    await expectValues(matmul(x, transpose(x)), [
      [14, 32],
      [32, 77],
    ])
    await expectValues(matmul(x, tensor([1, 0, -1])), [-2, -2])
    await expectValues(matmul(tensor([1, 1]), x), [5, 7, 9])
    await expectValues(matmul(tensor([1, 2]), tensor([3, 4])), 11)
    await expectValues(matmul(cube, tensor([[1], [1]])), [
      [[1], [5]],
      [[9], [13]],
    ])
    expect(matmul(zeros([2, 1, 3, 4]), zeros([5, 4, 1])).shape).toEqual([2, 5, 3, 1])
  })

  it('over an empty axis are zero, and NaN and 0 · ∞ spread', async () => {
    await expectValues(matmul(zeros([2, 0]), zeros([0, 2])), [
      [0, 0],
      [0, 0],
    ])
    await expectValues(matmul(zeros([0, 2]), x), [], [0, 3])
    await expectValues(matmul(tensor([[0, 1]]), tensor([[inf], [2]])), [[nan]])
  })
})

describe('compositions', () => {
  it('softmax and its relatives do not overflow', async () => {
    const big = tensor([
      [1000, 1000],
      [-1000, 0],
    ])
    await expectValues(softmax(big), [
      [0.5, 0.5],
      [0, 1],
    ])
    await expectValues(logSumExp(big, 1), [[1000 + Math.log(2)], [0]])
    await expectValues(logSoftmax(big, 0), [
      [0, 0],
      [-2000, -1000],
    ])
  })

  it('oneHot adds an axis; an index out of range has no 1', async () => {
    await expectValues(oneHot(intTensor([[1, 0, 5]]), 2), [
      [
        [0, 1],
        [1, 0],
        [0, 0],
      ],
    ])
  })
})
