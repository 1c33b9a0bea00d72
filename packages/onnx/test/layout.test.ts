/** @file Transposes rewritten move every element to the same place. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  composed,
  firstLast,
  inSteps,
  inverse,
  isIdentity,
  lastFirst,
  merged,
  reshaped,
  without,
} from '../src/lower/layout.ts'

/** Where each element of a transposed array comes from. */
function sources(shape: readonly number[], permutation: readonly number[]): number[] {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1))
  let flat = [0]
  for (const axis of permutation) {
    flat = flat.flatMap((at) => Array.from({ length: shape[axis]! }, (_, i) => at + i * strides[axis]!))
  }
  return flat
}

const turns = fc
  .array(fc.constantFrom(1, 2, 3, 17), { minLength: 1, maxLength: 5 })
  .chain((shape) =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length }),
    ),
  )

describe('layouts', () => {
  it('merged axes and single steps end up as the transpose they stand for', () =>
    fc.assert(
      fc.property(turns, ([shape, permutation]) => {
        const { sizes, permutation: blocks } = merged(shape, permutation)
        const expected = sources(shape, permutation)
        expect(sources(sizes, blocks)).toEqual(expected)
        let flat = expected.map((_, i) => i)
        for (const step of inSteps(sizes, blocks)) {
          const from = sources(step.sizes, step.permutation)
          const before = flat
          flat = from.map((at) => before[at]!)
        }
        expect(flat).toEqual(expected)
      }),
    ))

  it('orders compose, and their inverse undoes them', () =>
    fc.assert(
      fc.property(turns, ([shape, permutation]) => {
        expect(isIdentity(composed(permutation, inverse(permutation)))).toBe(true)
        const rank = shape.length
        expect(composed(firstLast(rank, 1), lastFirst(rank, 1))).toEqual([...shape.keys()])
      }),
    ))

  it('a reshape of what is stored is the reshape of the value', () =>
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        (rest, lead) => {
          // Stored [...rest, ...lead], as a value [...lead, ...rest]; flattened to two axes.
          const order = lastFirst(rest.length + lead.length, lead.length)
          const product = (list: number[]): number => list.reduce((a, b) => a * b, 1)
          fc.pre(product(lead) > 1)
          const flat = reshaped([...rest, ...lead], order, [product(lead), product(rest)])
          expect(flat).toEqual({ shape: [product(rest), product(lead)], order: [1, 0] })
        },
      ),
    ))

  it('knows what it cannot do', () => {
    // Two axes that traded places are no longer apart.
    expect(reshaped([3, 2], [1, 0], [6])).toBeUndefined()
    expect(reshaped([3, 2], [1, 0], [3, 2])).toBeUndefined()
    expect(reshaped([2, 3, 4], [0, 2, 1], [2, 12])).toBeUndefined()
  })

  it('the order of what remains of a reduction', () => {
    expect(without([3, 0, 1, 2], [0, 2])).toEqual([1, 0])
    expect(without([3, 0, 1, 2], [1, 2, 3])).toEqual([0, 1, 2])
  })
})
