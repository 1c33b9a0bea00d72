/** @file Movement, reductions and matrix products against the reference engine. */
import * as ops from '@beyondgrad/tensor'
import { type AnyTensor, cast, type DType, matmul, type Shape, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import {
  broadcastable,
  expectAgreement,
  filledShapes,
  numbers,
  runs,
  seeds,
  shapes,
} from './against-reference.ts'

const dtypes: fc.Arbitrary<DType> = fc.constantFrom('float32', 'float64', 'int32', 'int64', 'bool')

/** As many numbers as a shape has axes. */
const perAxis = (shape: Shape, arbitrary: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc.array(arbitrary, { minLength: shape.length, maxLength: shape.length })

const withShape = <T>(of: (shape: Shape) => fc.Arbitrary<T>): fc.Arbitrary<readonly [Shape, T]> =>
  shapes.chain((shape) => fc.tuple(fc.constant(shape), of(shape)))

describe('movement', () => {
  it('transpose, alone and twice', () =>
    fc.assert(
      fc.asyncProperty(
        withShape((shape) => fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
        seeds,
        dtypes,
        async ([shape, order], seed, dtype) => {
          const x = cast(numbers(shape, seed, true), dtype)
          await expectAgreement([ops.transpose(x, order), ops.transpose(ops.transpose(x, order), order)])
        },
      ),
      runs,
    ))

  it('reshape and expand', () =>
    fc.assert(
      fc.asyncProperty(
        withShape((shape) => broadcastable(shape)),
        seeds,
        dtypes,
        async ([shape, from], seed, dtype) => {
          const x = cast(numbers(from, seed, true), dtype)
          const wide = ops.expand(x, shape)
          await expectAgreement([
            wide,
            ops.reshape(wide, [1, ops.sizeOf(shape)]),
            ops.reshape(ops.reshape(x, [ops.sizeOf(from)]), [...from, 1]),
          ])
        },
      ),
      runs,
    ))

  it('slice', () =>
    fc.assert(
      fc.asyncProperty(
        withShape((shape) => fc.tuple(perAxis(shape, fc.nat(5)), perAxis(shape, fc.nat(5)))),
        seeds,
        fc.integer({ min: 1, max: 3 }),
        dtypes,
        async ([shape, [starts, ends]], seed, step, dtype) => {
          let x: AnyTensor = cast(numbers(shape, seed, true), dtype)
          shape.forEach((_, axis) => (x = ops.slice(x, axis, starts[axis]!, ends[axis], step)))
          await expectAgreement([x])
        },
      ),
      runs,
    ))

  it('pad', () =>
    fc.assert(
      fc.asyncProperty(
        withShape((shape) => fc.tuple(perAxis(shape, fc.nat(2)), perAxis(shape, fc.nat(2)))),
        seeds,
        fc.constantFrom(0, 1, -3),
        fc.constantFrom<DType>('float32', 'float64', 'int32'),
        async ([shape, [before, after]], seed, value, dtype) => {
          await expectAgreement([ops.pad(cast(numbers(shape, seed), dtype), before, after, value)])
        },
      ),
      runs,
    ))

  it('concat', () =>
    fc.assert(
      fc.asyncProperty(
        filledShapes.filter(({ length }) => length > 0),
        fc.nat(),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
        seeds,
        dtypes,
        async (shape, at, sizes, seed, dtype) => {
          const axis = at % shape.length
          const parts = sizes.map((size, i) => cast(numbers(shape.with(axis, size), seed + i, true), dtype))
          await expectAgreement([ops.concat(parts, axis)])
        },
      ),
      runs,
    ))
})

describe('reductions', () => {
  it('sum over any axes', () =>
    fc.assert(
      fc.asyncProperty(
        withShape((shape) => fc.subarray([...shape.keys()])),
        seeds,
        fc.boolean(),
        async ([shape, axes], seed, keep) => {
          const x = numbers(shape, seed)
          const whole = cast(x, 'int32')
          await expectAgreement([
            ops.sum(x, axes, { keep }),
            ops.sum(ops.square(x), axes, { keep }),
            ops.sum(ops.mul(x, x), axes, { keep }),
            ops.sum(whole, axes, { keep }),
            ops.sum(ops.square(whole), axes, { keep }),
            ops.sum(cast(whole, 'int64'), axes, { keep }),
            ops.sum(cast(x, 'float64'), axes, { keep }),
          ])
        },
      ),
      runs,
    ))

  it('max over any axes, argmax along each', () =>
    fc.assert(
      fc.asyncProperty(
        filledShapes.chain((shape) => fc.tuple(fc.constant(shape), fc.subarray([...shape.keys()]))),
        seeds,
        fc.boolean(),
        async ([shape, axes], seed, keep) => {
          const x = numbers(shape, seed, true)
          await expectAgreement([
            ops.max(x, axes, { keep }),
            ops.max(cast(x, 'int32'), axes, { keep }),
            ...shape.map((_, axis) => ops.argmax(x, axis, { keep })),
          ])
        },
      ),
      runs,
    ))
})

/** Batch axes of the two operands, which broadcast. */
const batches = fc
  .array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 })
  .chain((shape) => fc.tuple(broadcastable(shape), broadcastable(shape)))

const size = fc.integer({ min: 1, max: 6 })

describe('matrix products', () => {
  it('of everything, stored either way', () =>
    fc.assert(
      fc.asyncProperty(
        batches,
        size,
        size,
        size,
        seeds,
        async ([left, right], rows, inner, columns, seed) => {
          const a = numbers([...left, rows, inner], seed)
          const at = numbers([...left, inner, rows], seed + 1)
          const b = numbers([...right, inner, columns], seed + 2)
          const bt = numbers([...right, columns, inner], seed + 3)
          const swapped = ops.transposeLast
          const double = (x: Tensor): Tensor => cast(x, 'float64') as unknown as Tensor
          await expectAgreement([
            matmul(a, b),
            matmul(swapped(at), b),
            matmul(a, swapped(bt)),
            matmul(swapped(at), swapped(bt)),
            matmul(a, b).add(numbers([columns], seed)),
            matmul(double(swapped(at)), double(swapped(bt))),
          ])
        },
      ),
      runs,
    ))

  it('with nothing to sum over, and of nothing', () =>
    expectAgreement([
      matmul(numbers([2, 3, 0], 1), numbers([0, 4], 2)),
      matmul(numbers([0, 3], 1), numbers([3, 4], 2)),
      matmul(numbers([0, 3, 2], 1), numbers([2, 1], 2)),
    ]))
})
