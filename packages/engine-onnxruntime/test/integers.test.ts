/** @file Integers: exact at the ends of their range, where results wrap, and never a crash by division. */
import * as ops from '@beyondgrad/tensor'
import { type AnyTensor, cast, constant, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { expectAgreement, runs } from './against-reference.ts'

const least32 = -(2 ** 31)
const least64 = -(2n ** 63n)

/** Small numbers, the ends of the range, what is next to 2²⁴ and 2⁵³, and anything. */
const ints32 = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(least32, least32 + 1, 2 ** 31 - 1, 2 ** 24 + 1, 46341),
  fc.integer({ min: least32, max: 2 ** 31 - 1 }),
)
const ints64 = fc.oneof(
  fc.bigInt({ min: -3n, max: 3n }),
  fc.constantFrom(least64, least64 + 1n, -least64 - 1n, 2n ** 53n + 1n, 3037000500n),
  fc.bigInt({ min: least64, max: -least64 - 1n }),
)
const of32 = (values: readonly number[]): Tensor<'int32'> =>
  tensor(Int32Array.from(values), { shape: [values.length], dtype: 'int32' })
const of64 = (values: readonly bigint[]): Tensor<'int64'> =>
  tensor(BigInt64Array.from(values), { shape: [values.length], dtype: 'int64' })

const pairs: fc.Arbitrary<readonly [AnyTensor, AnyTensor]> = fc.oneof(
  fc
    .array(fc.tuple(ints32, ints32), { minLength: 1, maxLength: 12 })
    .map((all) => [of32(all.map(([a]) => a)), of32(all.map(([, b]) => b))] as const),
  fc
    .array(fc.tuple(ints64, ints64), { minLength: 1, maxLength: 12 })
    .map((all) => [of64(all.map(([a]) => a)), of64(all.map(([, b]) => b))] as const),
)

describe('integers', () => {
  it('of both widths are computed exactly, and wrap', () =>
    fc.assert(
      fc.asyncProperty(pairs, async ([one, other]) => {
        const [a, b] = [one as Tensor<'int32'>, other as Tensor<'int32'>]
        await expectAgreement([
          ...[ops.neg, ops.abs, ops.sign, ops.square].map((op) => op(a)),
          ...[ops.add, ops.sub, ops.mul, ops.div, ops.rem, ops.mod, ops.floorDivide].map((op) => op(a, b)),
          ...[ops.maximum, ops.minimum, ops.equal, ops.less, ops.greater].map((op) => op(a, b)),
          ...[ops.notEqual, ops.lessEqual, ops.greaterEqual].map((op) => op(a, b)),
          ...[ops.sum, ops.max, ops.min, ops.prod].map((op) => op(a)),
          ops.where(ops.less(a, b), a, b),
          ops.argmax(a, 0),
          ops.argmin(a, 0),
          ops.cumsum(a, 0),
          ops.cumsum(a, 0, { exclusive: true, reverse: true }),
          ops.clip(a, -5, 5),
          cast(a, 'int32'),
          cast(a, 'int64'),
          cast(a, 'bool'),
        ])
      }),
      runs,
    ))

  it('divided by a number, which may be 0 or -1', async () => {
    const a = of32([7, -7, least32, 0])
    const b = of64([7n, -7n, least64, 0n])
    for (const by of [2, -3, 0, -1]) {
      await expectAgreement([ops.div(a, by), ops.rem(a, by), ops.mod(a, by), ops.floorDivide(a, by)])
      await expectAgreement([ops.div(b, by), ops.rem(b, by), ops.mod(b, by), ops.floorDivide(b, by)])
    }
    await expectAgreement([ops.div(5, ops.sub(a, 7)), ops.rem(constant(least32, 'int32'), ops.sub(a, 8))])
  })
})
