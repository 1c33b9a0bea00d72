import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  argsort,
  cast,
  evaluate,
  intTensor,
  referenceEngine,
  reshape,
  sort,
  tensor,
  topIndices,
  topK,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const engine = referenceEngine()
const [nan, inf] = [NaN, Infinity]
const odd = tensor([1, nan, 3, -inf, nan, inf, 3, 0])

describe('sorting', () => {
  it('puts NaN last and leaves equals in their order', async () => {
    await expectValues(sort(odd), [-inf, 0, 1, 3, 3, inf, nan, nan])
    await expectValues(argsort(odd), [3, 7, 0, 2, 6, 5, 1, 4])
    await expectValues(sort(odd, 0, { descending: true }), [nan, nan, inf, 3, 3, 1, 0, -inf])
    await expectValues(argsort(odd, 0, { descending: true }), [1, 4, 5, 2, 6, 0, 7, 3])
  })

  it('goes along any axis, over any numbers', async () => {
    const x = tensor([
      [3, 1],
      [2, 5],
    ])
    await expectValues(sort(x, 0), [
      [2, 1],
      [3, 5],
    ])
    await expectValues(sort(intTensor([3, -(2 ** 31), 2]), 0), [-(2 ** 31), 2, 3])
    await expectValues(sort(cast(intTensor([3, -1, 2]), 'int64'), 0), [-1, 2, 3])
    await expectValues(argsort(cast(intTensor([1, 0, 1, 0]), 'bool'), 0), [1, 3, 0, 2])
  })

  it('finds the largest and the smallest', async () => {
    const x = tensor([
      [1, 4, 2],
      [9, 7, 9],
    ])
    const { values, indices } = topK(x, 2)
    await expectValues(values, [
      [4, 2],
      [9, 9],
    ])
    await expectValues(indices, [
      [1, 2],
      [0, 2],
    ])
    await expectValues(topIndices(x, 1, 0, { largest: false }), [[0, 0, 0]])
    await expectValues(topIndices(x, 0), [[], []], [2, 0])
    await expectValues(topIndices(reshape(tensor([]), [0, 3]), 2), [], [0, 2])
  })

  it('is a sort', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 12 }),
        fc.boolean(),
        async (values, descending) => {
          const x = reshape(tensor(values), [values.length])
          const { sorted, order } = await evaluate(
            { sorted: sort(x, 0, { descending }), order: argsort(x, 0, { descending }) },
            { engine },
          )
          const expected = values
            .map((value, at) => ({ value, at }))
            .sort((a, b) => (descending ? b.value - a.value : a.value - b.value) || a.at - b.at)
          expect(Array.from(sorted.data)).toEqual(expected.map(({ value }) => value))
          expect(Array.from(order.data)).toEqual(expected.map(({ at }) => at))
        },
      ),
    ))

  it('says what there is not', () => {
    expect(() => topK(odd, 9)).toThrow('topIndices: there are no 9 elements on axis 0 of [8], which has 8')
    expect(() => topK(odd, 1.5)).toThrow('topIndices: there are no 1.5 elements')
    expect(() => sort(tensor(1))).toThrow('argsort: axis -1 does not exist in a tensor of rank 0')
  })
})
