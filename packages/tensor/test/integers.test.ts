/** @file Integers and bools in the reference engine: by definition, on bigints. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as ops from '../src/index.ts'
import { cast, intTensor, tensor, type Tensor } from '../src/index.ts'
import { expectValues } from './expect-values.ts'

type Width = 32 | 64

const engine = ops.referenceEngine()

function leaf(values: readonly bigint[], bits: Width): Tensor<'int64'> {
  const shape = [values.length]
  return bits === 64
    ? tensor(BigInt64Array.from(values), { shape, dtype: 'int64' })
    : (tensor(Int32Array.from(values, Number), { shape, dtype: 'int32' }) as unknown as Tensor<'int64'>)
}

/** Small numbers, the ends of the range, and anything. */
function ints(bits: Width): fc.Arbitrary<bigint> {
  const end = 2n ** BigInt(bits - 1)
  return fc.oneof(
    fc.bigInt({ min: -3n, max: 3n }),
    fc.constantFrom(-end, 1n - end, end - 1n, 2n ** 24n + 1n),
    fc.bigInt({ min: -end, max: end - 1n }),
  )
}

const magnitude = (x: bigint): bigint => (x < 0n ? -x : x)
const floored = (a: bigint, b: bigint): bigint => a / b - (a % b !== 0n && a % b < 0n !== b < 0n ? 1n : 0n)

const one: Readonly<Record<string, (x: bigint) => bigint>> = {
  neg: (x) => -x,
  abs: magnitude,
  sign: (x) => (x === 0n ? 0n : x / magnitude(x)),
  square: (x) => x * x,
}
const two: Readonly<Record<string, (a: bigint, b: bigint) => bigint | boolean>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  rem: (a, b) => (b === 0n ? 0n : a % b),
  mod: (a, b) => (b === 0n ? 0n : a - b * floored(a, b)),
  floorDivide: (a, b) => (b === 0n ? 0n : floored(a, b)),
  maximum: (a, b) => (a > b ? a : b),
  minimum: (a, b) => (a < b ? a : b),
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
}
const many: Readonly<Record<string, (all: readonly bigint[]) => bigint>> = {
  sum: (all) => all.reduce((a, x) => a + x, 0n),
  prod: (all) => all.reduce((a, x) => a * x, 1n),
  max: (all) => all.reduce((a, x) => (x > a ? x : a)),
  min: (all) => all.reduce((a, x) => (x < a ? x : a)),
}

async function read(x: ops.AnyTensor): Promise<bigint[]> {
  const { value } = await ops.evaluate({ value: x }, { engine })
  return Array.from(value.data as Int32Array, BigInt)
}

type AnyOp = (...x: readonly unknown[]) => ops.AnyTensor

describe.each([32, 64] as const)('integers of %i bits', (bits) => {
  const wrapped = (x: bigint | boolean): bigint => BigInt.asIntN(bits, BigInt(x))
  const lists = fc.array(fc.tuple(ints(bits), ints(bits)), { minLength: 1, maxLength: 6 })

  it.each(Object.entries({ ...one, ...two }))('%s', (name, definition) =>
    fc.assert(
      fc.asyncProperty(lists, async (pairs) => {
        const [a, b] = [
          leaf(
            pairs.map(([x]) => x),
            bits,
          ),
          leaf(
            pairs.map(([, y]) => y),
            bits,
          ),
        ]
        const op = (ops as unknown as Record<string, AnyOp>)[name]!
        expect(await read(name in one ? op(a) : op(a, b))).toEqual(
          pairs.map(([x, y]) => wrapped((definition as (a: bigint, b: bigint) => bigint)(x, y))),
        )
      }),
    ),
  )

  it.each(Object.entries(many))('%s, and its partial results', (name, definition) =>
    fc.assert(
      fc.asyncProperty(fc.array(ints(bits), { minLength: 1, maxLength: 6 }), async (all) => {
        const x = leaf(all, bits)
        const op = (ops as unknown as Record<string, AnyOp>)[name]!
        expect(await read(op(x))).toEqual([wrapped(definition(all))])
        if (name !== 'sum') return
        const sums = all.map((_, i) => wrapped(definition(all.slice(0, i + 1))))
        expect(await read(ops.cumsum(x, 0))).toEqual(sums)
        const after = all.map((_, i) => wrapped(definition(all.slice(i + 1))))
        expect(await read(ops.cumsum(x, 0, { exclusive: true, reverse: true }))).toEqual(after)
      }),
    ),
  )

  it('positions of extremes, and choices', () =>
    fc.assert(
      fc.asyncProperty(fc.array(ints(bits), { minLength: 1, maxLength: 6 }), async (all) => {
        const x = leaf(all, bits)
        expect(await read(ops.argmax(x, 0))).toEqual([BigInt(all.indexOf(many.max!(all)))])
        expect(await read(ops.argmin(x, 0))).toEqual([BigInt(all.indexOf(many.min!(all)))])
        expect(await read(ops.where(ops.less(x, 0), x, 5))).toEqual(all.map((v) => (v < 0n ? v : 5n)))
        expect(await read(ops.clip(x, -2, 2))).toEqual(all.map((v) => (v < -2n ? -2n : v > 2n ? 2n : v)))
        expect(await read(cast(x, 'int32'))).toEqual(all.map((v) => BigInt.asIntN(32, v)))
        expect(await read(cast(cast(x, 'int64'), 'bool'))).toEqual(all.map((v) => (v === 0n ? 0n : 1n)))
      }),
    ))
})

describe('what integers can not hold', () => {
  it('is the nearest there is when it is cast, and 0 for NaN', async () => {
    const odd = tensor([NaN, Infinity, -Infinity, 3e9, -3e9, 2.9, -2.9])
    const [most, least] = [2 ** 31 - 1, -(2 ** 31)]
    await expectValues(cast(odd, 'int32'), [0, most, least, most, least, 2, -2])
    expect(await read(cast(odd, 'int64'))).toEqual([
      0n,
      2n ** 63n - 1n,
      -(2n ** 63n),
      3000000000n,
      -3000000000n,
      2n,
      -2n,
    ])
  })

  it('is refused beside them', () => {
    expect(() => ops.add(intTensor([1]), 2 ** 31)).toThrow('add: 2147483648 does not fit into int32')
    expect(() => ops.add(leaf([1n], 64), 2 ** 63)).toThrow('does not fit into int64')
    expect(() => ops.mul(intTensor([1]), 0.5)).toThrow('mul: 0.5 is not an integer')
    expect(() => ops.less(intTensor([1]), Infinity)).toThrow('less: Infinity is not an integer')
    expect(() => ops.equal(ops.greater(tensor([1]), 0), 2)).toThrow('equal: 2 is neither 0 nor 1')
    expect(() => ops.pow(intTensor([1]) as never, 2)).toThrow('pow: takes floating-point numbers, not int32')
  })
})

describe('remainders of floats', () => {
  const [a, b] = [
    tensor([7, -7, 7, -7, 5.5, 1, 5, -5, 6]),
    tensor([3, 3, -3, -3, -2, 0, Infinity, Infinity, -3]),
  ]

  it('have the sign of the dividend, or of the divisor', async () => {
    await expectValues(ops.rem(a, b), [1, -1, 1, -1, 1.5, NaN, 5, -5, 0])
    await expectValues(ops.mod(a, b), [1, 2, -2, -1, -0.5, NaN, 5, Infinity, 0])
    await expectValues(ops.floorDivide(a, b), [2, -3, -3, 2, -3, Infinity, 0, -0, -2])
    await expectValues(ops.mod(7.5, 2), 1.5)
  })
})

describe('logic', () => {
  const p = ops.greater(tensor([[1], [-1]]), 0)
  const q = ops.greater(tensor([1, -1]), 0)
  const none = ops.greater(ops.zeros([0, 2]), 0)

  it('connects, and broadcasts', async () => {
    await expectValues(ops.logicalNot(q), [false, true])
    await expectValues(ops.logicalAnd(p, q), [
      [true, false],
      [false, false],
    ])
    await expectValues(ops.logicalOr(p, q), [
      [true, true],
      [true, false],
    ])
    await expectValues(ops.logicalXor(p, q), [
      [false, true],
      [true, false],
    ])
  })

  it('compares with NaN as IEEE 754 says', async () => {
    const x = tensor([1, NaN, 2])
    const y = tensor([1, 1, NaN])
    await expectValues(ops.notEqual(x, y), [false, true, true])
    await expectValues(ops.lessEqual(x, y), [true, false, false])
    await expectValues(ops.greaterEqual(x, y), [true, false, false])
    const odd = tensor([0, NaN, Infinity, -Infinity])
    await expectValues(ops.isNaN(odd), [false, true, false, false])
    await expectValues(ops.isInfinite(odd), [false, false, true, true])
    await expectValues(ops.isFinite(odd), [true, false, false, false])
  })

  it('any and all, also of nothing', async () => {
    const both = ops.logicalOr(p, q)
    await expectValues(ops.any(both, [1]), [true, true])
    await expectValues(ops.all(both, [1], { keep: true }), [[true], [false]])
    await expectValues(ops.any(ops.logicalNot(both)), true)
    await expectValues(ops.any(none, [0]), [false, false])
    await expectValues(ops.all(none), true)
    await expectValues(ops.argmin(both, 1), [0, 1])
  })

  it('takes bools only', () => {
    expect(() => ops.logicalAnd(q, tensor([1, 2]) as never)).toThrow('logicalAnd: takes bool, not float32')
    expect(() => ops.logicalXor(tensor(1) as never, q)).toThrow('logicalXor: takes bool, not float32')
    expect(() => ops.any(tensor([1]) as never)).toThrow('any: takes bool, not float32')
    expect(() => ops.sum(q as never)).toThrow('sum: takes numbers, not bool')
  })
})
