/** @file Indexing and sorting against the reference engine. */
import * as ops from '@beyondgrad/tensor'
import {
  type AnyTensor,
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
  transpose,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { onnxruntime } from '../src/index.ts'
import { expectAgreement, native, numbers, runs, seeds } from './against-reference.ts'

const dtypes: fc.Arbitrary<DType> = fc.constantFrom('float32', 'float64', 'int32', 'int64', 'bool')

/** Of up to eight axes, the indexed one with elements. */
const indexed: fc.Arbitrary<readonly [number[], number]> = fc
  .oneof(
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 5, maxLength: 8 }),
  )
  .chain((shape) => fc.tuple(fc.constant(shape), fc.nat(shape.length - 1)))
  .map(([shape, axis]) => [shape.with(axis, shape[axis]! + 1), axis])

function indices(shape: Shape, size: number, seed: number): Tensor<'int32'> {
  const data = Int32Array.from(
    { length: sizeOf(shape) },
    (_, i) => (Math.imul(i + 1, seed * 2 + 7919) >>> 5) % size,
  )
  return tensor(data, { shape, dtype: 'int32' })
}

describe('indexing', () => {
  it('reads along any axis, of any dtype, stored in any order', () =>
    fc.assert(
      fc.asyncProperty(
        indexed,
        fc.array(fc.nat(3), { maxLength: 2 }),
        seeds,
        dtypes,
        async ([shape, axis], places, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          const turned = transpose(x)
          const last = shape.length - 1 - axis
          const size = shape[axis]!
          const one = shape.with(axis, 3)
          await expectAgreement([
            gather(x, indices(places, size, seed), axis),
            gather(turned, indices(places, size, seed), last),
            gatherElements(x, indices(one, size, seed), axis),
            gatherElements(turned, transpose(indices(one, size, seed)), last),
            flip(x),
            flip(turned, [last]),
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
        fc.constantFrom(1, 3, 40),
        seeds,
        fc.constantFrom<DType>('float32', 'float64', 'int32', 'int64'),
        async ([shape, axis], places, size, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          const at = indices(shape.slice(axis, axis + places), size, seed)
          await expectAgreement([
            scatterAdd(x, at, axis, size),
            scatterElementsAdd(x, indices(shape, size, seed), axis, size),
          ])
        },
      ),
      runs,
    ))

  it('loses no update where many meet in one row and several threads add', async () => {
    const engine = onnxruntime({ threads: 4 })
    for (const [count, rows, width] of [
      [512, 40, 4096],
      [4096, 40, 512],
      [4096, 4, 512],
      [1024, 1000, 64],
    ] as const) {
      const updates = ops.add(ops.mul(numbers([count, width], 1), 0), 1)
      const at = tensor(
        Int32Array.from({ length: count }, (_, i) => i % 3),
        { shape: [count], dtype: 'int32' },
      )
      for (let run = 0; run < 3; run++) {
        const { sums } = await evaluate({ sums: scatterAdd(updates, at, 0, rows) }, { engine })
        const wrong = sums.data.findIndex(
          (sum, i) => sum !== (i < 3 * width ? Math.ceil((count - Math.floor(i / width)) / 3) : 0),
        )
        expect(wrong).toBe(-1)
      }
    }
    await ops.releaseExecutables(engine)
  })

  it('demands indices that are there, computed ones too, and goes on afterwards', async () => {
    const x = numbers([3, 2], 1)
    const bad = intTensor([0, 7])
    const computed = cast(cast(bad, 'float32').mul(1), 'int32')
    for (const at of [bad, computed, cast(computed, 'int64')]) {
      for (const [name, y] of [
        ['gather', gather(x, at)],
        ['gatherElements', gatherElements(x, reshape(at as Tensor<'int32'>, [2, 1]), 0)],
        ['scatterAdd', scatterAdd(numbers([2, 2], 1), at, 0, 3)],
      ] as const) {
        await expect(evaluate({ y }, { engine: native })).rejects.toMatchObject({
          code: 'data',
          message: `${name}: the index contains 7 at [${name === 'gatherElements' ? '1, 0' : '1'}], which is not an integer from -3 to 2`,
        })
      }
    }
    await expectAgreement([gather(x, intTensor([2, -3]))])
  })
})

describe('sorting', () => {
  it('goes along any axis, ties and all', () =>
    fc.assert(
      fc.asyncProperty(
        indexed,
        fc.nat(5),
        fc.boolean(),
        seeds,
        dtypes,
        async ([shape, axis], k, largest, seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          await expectAgreement([
            topIndices(x, Math.min(k, shape[axis]!), axis, { largest }),
            sort(x, axis, { descending: largest }),
          ])
        },
      ),
      runs,
    ))

  it('knows NaN, infinities, and long rows of equals', async () => {
    const odd = [1, NaN, 3, -Infinity, NaN, Infinity, 3, -0, 0, 3.4028234663852886e38]
    const many = tensor(
      Float32Array.from({ length: 900 }, (_, i) => odd[(i * 7 + (i >> 4)) % 10]!),
      {
        shape: [3, 300],
        dtype: 'float32',
      },
    )
    const cases: AnyTensor[] = [
      many,
      cast(many, 'float64'),
      cast(reshape(tensor(odd.slice(6, 9)), [3]), 'int64'),
    ]
    for (const x of cases) {
      for (const largest of [true, false]) {
        const size = x.shape.at(-1)!
        await expectAgreement([1, 2, size].map((k) => topIndices(x, k, -1, { largest })))
      }
    }
  })
})
