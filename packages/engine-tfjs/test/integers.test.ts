/** @file Integers on both backends: exact at the ends of their range, where results wrap, and divided by 0. */
import * as ops from '@beyondgrad/tensor'
import { cast, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAgreement } from './against-reference.ts'
import { processors } from './backends.ts'

const least = -(2 ** 31)

/** Small numbers, the ends of the range, what is next to 2²⁴, and anything. */
const ints = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(least, least + 1, 2 ** 31 - 1, 2 ** 24 + 1, 46341),
  fc.integer({ min: least, max: 2 ** 31 - 1 }),
)
const of = (values: readonly number[]): Tensor<'int32'> =>
  tensor(Int32Array.from(values), { shape: [values.length], dtype: 'int32' })
const wide = (values: readonly bigint[]): Tensor<'int64'> =>
  tensor(BigInt64Array.from(values), { shape: [values.length], dtype: 'int64' })

describe.each(processors)('integers on $name', ({ engine }) => {
  it('are computed exactly, and wrap', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(ints, ints), { minLength: 1, maxLength: 12 }), async (pairs) => {
        const [a, b] = [of(pairs.map(([x]) => x)), of(pairs.map(([, y]) => y))]
        await expectAgreement(engine, [
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
          cast(a, 'bool'),
        ])
      }),
      { numRuns: 60 },
    ))

  it('are divided by numbers and by what broadcasts, 0 and -1 among them', async () => {
    const a = of([7, -7, least, 0])
    for (const by of [2, -3, 0, -1]) {
      await expectAgreement(engine, [ops.div(a, by), ops.rem(a, by), ops.mod(a, by), ops.floorDivide(a, by)])
    }
    await expectAgreement(engine, [ops.div(ops.reshape(a, [4, 1]), a), ops.rem(ops.reshape(a, [2, 1, 2]), 5)])
  })

  it('of 64 bits are divided as long as the quotient fits', async () => {
    const a = wide([7n, -7n, 2147480000n])
    await expectAgreement(engine, [
      ops.div(a, -1),
      ops.div(a, 0),
      ops.rem(a, 4),
      ops.cumsum(wide([1n, 2n]), 0),
    ])
    await expect(ops.evaluate([ops.div(wide([-2147483648n]), -1)], { engine })).rejects.toThrow(
      /op "div" on int64 reaches 2147483648/,
    )
    await expect(ops.evaluate([ops.cumsum(wide([2147483647n, 2147483647n]), 0)], { engine })).rejects.toThrow(
      /op "cumsum" on int64 reaches/,
    )
  })
})
