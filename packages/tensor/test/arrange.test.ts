import { describe, expect, it } from 'vitest'
import {
  diagonal,
  diagonalMatrix,
  flatten,
  moveAxes,
  repeatInterleave,
  reshape,
  roll,
  split,
  squeeze,
  tensor,
  tile,
  tril,
  triu,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const x = tensor([
  [1, 2, 3],
  [4, 5, 6],
])
const count = (shape: readonly number[]) =>
  reshape(tensor(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i)), shape)

describe('axes', () => {
  it('squeeze, flatten, moveAxes', () => {
    expect(squeeze(zeros([1, 2, 1])).shape).toEqual([2])
    expect(squeeze(zeros([1, 2, 1]), [-1]).shape).toEqual([1, 2])
    expect(() => squeeze(x, [0])).toThrow(/axis 0 of \[2, 3\] has size 2/)
    expect(flatten(zeros([2, 3, 4]), 1).shape).toEqual([2, 12])
    expect(flatten(zeros([2, 0, 4])).shape).toEqual([0])
    expect(flatten(tensor(3)).shape).toEqual([1])
    expect(() => flatten(zeros([2, 3]), 1, 0)).toThrow(/axis 1 comes after axis 0/)
    expect(moveAxes(zeros([2, 3, 4, 5]), [0, 1], [-1, 0]).shape).toEqual([3, 4, 5, 2])
    expect(moveAxes(zeros([2, 3, 4]), [0], [1]).shape).toEqual([3, 2, 4])
    expect(() => moveAxes(x, [0, 1], [0, 0])).toThrow(/one to one/)
  })
})

describe('split', () => {
  it('into equal parts, and into parts of given sizes', async () => {
    const [a, b, c] = split(x, 3, 1)
    await expectValues(b!, [[2], [5]])
    expect([a!.shape, c!.shape]).toEqual([
      [2, 1],
      [2, 1],
    ])
    const [d, e, f] = split(x, [2, 0, 1], -1)
    await expectValues(d!, [
      [1, 2],
      [4, 5],
    ])
    expect(e!.shape).toEqual([2, 0])
    await expectValues(f!, [[3], [6]])
    expect(() => split(x, 2, 1)).toThrow(/does not fall into 2 equal parts/)
    expect(() => split(x, [1, 1], 1)).toThrow(/do not make up axis 1/)
    expect(() => split(x, [4, -1], 1)).toThrow(/do not make up/)
  })
})

describe('repetition', () => {
  it('tile repeats the whole, repeatInterleave every element', async () => {
    await expectValues(tile(tensor([1, 2]), [2]), [1, 2, 1, 2])
    await expectValues(tile(tensor([1, 2]), [2, 1]), [
      [1, 2],
      [1, 2],
    ])
    await expectValues(tile(x, [2]), [
      [1, 2, 3, 1, 2, 3],
      [4, 5, 6, 4, 5, 6],
    ])
    expect(tile(x, [0, 2]).shape).toEqual([0, 6])
    await expectValues(repeatInterleave(x, 2, 0), [
      [1, 2, 3],
      [1, 2, 3],
      [4, 5, 6],
      [4, 5, 6],
    ])
    expect(() => tile(x, [-1])).toThrow(/non-negative/)
  })

  it('roll goes round in both directions', async () => {
    await expectValues(roll(tensor([1, 2, 3]), 1, 0), [3, 1, 2])
    await expectValues(roll(tensor([1, 2, 3]), -4, 0), [2, 3, 1])
    expect(roll(zeros([0]), 3, 0).shape).toEqual([0])
  })
})

describe('triangles and diagonals', () => {
  it('diagonal takes what lies on it, beside it, and nothing beyond', async () => {
    await expectValues(diagonal(x), [1, 5])
    await expectValues(diagonal(x, 1), [2, 6])
    await expectValues(diagonal(x, 2), [3])
    await expectValues(diagonal(x, -1), [4])
    expect(diagonal(x, 3).shape).toEqual([0])
    expect(diagonal(zeros([4, 0, 2])).shape).toEqual([4, 0])
    await expectValues(diagonal(count([2, 2, 2])), [
      [0, 3],
      [4, 7],
    ])
    await expectValues(diagonalMatrix(tensor([1, 2])), [
      [1, 0],
      [0, 2],
    ])
    expect(() => diagonal(tensor([1]))).toThrow(/no two axes/)
  })

  it('tril and triu keep one side, whatever the other holds', async () => {
    await expectValues(tril(x), [
      [1, 0, 0],
      [4, 5, 0],
    ])
    await expectValues(tril(x, 1), [
      [1, 2, 0],
      [4, 5, 6],
    ])
    await expectValues(triu(x, 1), [
      [0, 2, 3],
      [0, 0, 6],
    ])
    await expectValues(
      triu(
        tensor([
          [NaN, Infinity],
          [NaN, 1],
        ]),
        1,
      ),
      [
        [0, Infinity],
        [0, 0],
      ],
    )
  })
})
