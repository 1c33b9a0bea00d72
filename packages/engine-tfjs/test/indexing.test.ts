/** @file Indexing and sorting on both backends against the reference engine. */
import { gradient } from '@beyondgrad/autograd'
import * as ops from '@beyondgrad/tensor'
import {
  cast,
  type DType,
  evaluate,
  flip,
  gather,
  gatherElements,
  intTensor,
  reshape,
  scatterAdd,
  scatterElementsAdd,
  type Shape,
  sizeOf,
  sort,
  tensor,
  type Tensor,
  topIndices,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAgreement, numbers, seeds, shapes } from './against-reference.ts'
import { processors } from './backends.ts'

const runs = { numRuns: 60 }

/** The indexed axis has elements. */
const indexed: fc.Arbitrary<readonly [number[], number]> = shapes
  .filter((shape) => shape.length > 0)
  .chain((shape) => fc.tuple(fc.constant(shape), fc.nat(shape.length - 1)))
  .map(([shape, axis]) => [shape.with(axis, shape[axis]! || 2), axis])

function indices(shape: Shape, size: number, seed: number): Tensor<'int32'> {
  const data = Int32Array.from(
    { length: sizeOf(shape) },
    (_, i) => (Math.imul(i + 1, seed * 2 + 7919) >>> 5) % size,
  )
  return tensor(data, { shape, dtype: 'int32' })
}

describe.each(processors)('indexing on $name', ({ engine }) => {
  it('reads along any axis of up to eight', () =>
    fc.assert(
      fc.asyncProperty(
        indexed,
        fc.array(fc.nat(3), { maxLength: 2 }),
        seeds,
        fc.constantFrom<DType>('float32', 'int32', 'int64', 'bool'),
        async ([shape, axis], places, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          const size = shape[axis]!
          await expectAgreement(engine, [
            gather(x, indices(places, size, seed), axis),
            gatherElements(x, indices(shape.with(axis, 3), size, seed), axis),
            flip(x),
            flip(x, [axis]),
            ops.slice(x, axis, -1, undefined, -2),
          ])
        },
      ),
      runs,
    ))

  it('adds along any axis', () =>
    fc.assert(
      fc.asyncProperty(
        indexed,
        fc.nat(2),
        fc.constantFrom(1, 3, 9),
        seeds,
        fc.constantFrom<DType>('float32', 'int32', 'int64'),
        async ([shape, axis], places, size, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          const at = indices(shape.slice(axis, axis + places), size, seed)
          await expectAgreement(engine, [
            scatterAdd(x, at, axis, size),
            scatterElementsAdd(x, indices(shape, size, seed), axis, size),
          ])
        },
      ),
      runs,
    ))

  it('has the gradient of an embedding', async () => {
    const weight = numbers([50, 8], 1)
    const loss = gather(weight, indices([4, 6], 50, 3), 0)
      .square()
      .sum()
    await expectAgreement(engine, [loss, ...gradient(loss, [weight])])
  })

  it('demands indices that are there, computed ones too', async () => {
    const x = numbers([3, 2], 1)
    const bad = intTensor([0, 7_000_000])
    const computed = cast(cast(bad, 'float32').mul(1), 'int32')
    for (const at of [bad, computed]) {
      for (const y of [
        gather(x, at),
        gatherElements(x, reshape(at, [2, 1]), 0),
        scatterAdd(numbers([2, 2], 1), at, 0, 3),
      ]) {
        await expect(evaluate({ y }, { engine })).rejects.toMatchObject({ code: 'data' })
      }
    }
    await expectAgreement(engine, [gather(x, intTensor([2, -3]))])
  })

  it('sees sums of 64-bit integers that leave 32 bits', async () => {
    const big = tensor(BigInt64Array.of(2_000_000_000n, 2_000_000_000n), { shape: [2], dtype: 'int64' })
    const y = scatterAdd(big, intTensor([1, 1]), 0, 2)
    await expect(evaluate({ y }, { engine })).rejects.toThrow('op "scatterAdd" on int64 reaches 4000000000')
    await expectAgreement(engine, [scatterAdd(big, intTensor([1, 0]), 0, 2)])
  })
})

describe.each(processors)('sorting on $name', ({ engine }) => {
  it('goes along any axis, ties and all', () =>
    fc.assert(
      fc.asyncProperty(
        indexed,
        fc.nat(5),
        fc.boolean(),
        seeds,
        fc.constantFrom<DType>('float32', 'int32', 'int64', 'bool'),
        async ([shape, axis], k, largest, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          await expectAgreement(engine, [
            topIndices(x, Math.min(k, shape[axis]!), axis, { largest }),
            sort(x, axis, { descending: largest }),
          ])
        },
      ),
      runs,
    ))

  it('knows NaN, infinities, the extremes of integers, and long rows of equals', async () => {
    const odd = [1, NaN, 3, -Infinity, NaN, Infinity, 3, -0, 0, 3.4028234663852886e38]
    const many = tensor(
      Float32Array.from({ length: 900 }, (_, i) => odd[(i * 7 + (i >> 4)) % 10]!),
      {
        shape: [3, 300],
        dtype: 'float32',
      },
    )
    const whole = intTensor([5, -(2 ** 31), 2 ** 31 - 1, 2 ** 31 - 2, 5, -(2 ** 31) + 1])
    for (const x of [many, whole]) {
      for (const largest of [true, false]) {
        await expectAgreement(
          engine,
          [1, 2, 3, x.shape.at(-1)!].map((k) => topIndices<DType>(x, k, -1, { largest })),
        )
      }
    }
  })
})
