/** @file Many axes, no elements, no number: what generated graphs seldom meet. */
import * as ops from '@beyondgrad/tensor'
import {
  argmax,
  cast,
  concat,
  constant,
  type DType,
  evaluate,
  intTensor,
  matmul,
  max,
  pad,
  sum,
  tensor,
  where,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { broadcastable, expectAgreement, numbers, seeds, shapes } from './against-reference.ts'
import { backends } from './backends.ts'

const odd = tensor([NaN, 1, -1, 0, 0.5, Infinity, -Infinity])

describe.each(backends)('ops on $name', ({ engine, graphics, cases }) => {
  const runs = { numRuns: cases(40) }

  it('broadcasts over up to eight axes', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.chain((shape) =>
          fc.tuple(fc.constant(shape), broadcastable(shape), broadcastable(shape), broadcastable(shape)),
        ),
        seeds,
        async ([shape, one, two, three], seed) => {
          const [a, b] = [numbers(one, seed, true), numbers(two, seed + 1, true)]
          const c = ops.greater(numbers(three, seed + 2), 0)
          await expectAgreement(engine, [
            ops.add(a, b),
            ops.mul(numbers(shape, seed), b),
            ops.maximum(a, b),
            ops.less(a, b),
            where(c, a, b),
            where(c, a, 0),
            ops.expand(a, shape),
            ops.expand(c, shape),
            ops.tanh(numbers(shape, seed)),
          ])
        },
      ),
      runs,
    ))

  it('moves numbers, integers and truth values along eight axes none of which stays beside its neighbour', async () => {
    const x = numbers([2, 1, 2, 2, 2, 2, 2, 2], 1)
    const apart = [7, 5, 3, 0, 2, 4, 6, 1]
    await expectAgreement(
      engine,
      [x, cast(x, 'int32'), ops.greater(x, 0)].map((y) => ops.transpose<DType>(y, apart)),
    )
  })

  it('moves and reduces up to eight axes', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.filter((shape) => shape.length > 0),
        seeds,
        fc.infiniteStream(fc.nat(1000)),
        async (shape, seed, stream) => {
          const random = (below: number): number => (stream.next().value as number) % below
          const x = numbers(shape, seed)
          const axes = shape.map((_, axis) => axis)
          const permutation = [...axes].sort(() => random(2) - 0.5)
          const some = axes.filter(() => random(2) === 0)
          const axis = random(shape.length)
          const at = random(shape[axis]! + 1)
          const amounts = (): number[] => axes.map(() => random(3) >> 1)
          const whole = cast(x, 'int32')
          const full = shape.every((size) => size > 0)
          await expectAgreement(engine, [
            ops.transpose(x, permutation),
            ops.transpose(ops.greater(x, 0), permutation),
            ops.slice(x, axis, at, undefined, 1 + random(3)),
            ops.slice(whole, axis, at, undefined, 1 + random(3)),
            pad(x, amounts(), amounts(), -Infinity),
            pad(whole, amounts(), amounts(), 7),
            concat([x, ops.slice(x, axis, at), x], axis),
            sum(x, some),
            sum(whole, some, { keep: true }),
            ...(full ? [max(x, some), max(whole, some), argmax(x, axis)] : []),
          ])
        },
      ),
      runs,
    ))

  it('multiplies matrices whose batches broadcast', async () => {
    const pairs: [number[], number[]][] = [
      [
        [2, 3],
        [3, 4],
      ],
      [
        [5, 2, 3],
        [3, 4],
      ],
      [
        [2, 3],
        [5, 3, 4],
      ],
      [
        [1, 80, 70],
        [5, 70, 90],
      ],
      [
        [3, 80, 70],
        [3, 70, 90],
      ],
      [
        [2, 1, 2, 3],
        [1, 4, 3, 2],
      ],
      [
        [2, 1, 2, 1, 2, 1, 2, 3],
        [1, 2, 2, 2, 1, 2, 3, 2],
      ],
      [
        [2, 0],
        [0, 3],
      ],
      [
        [0, 2, 3],
        [3, 2],
      ],
    ]
    await expectAgreement(
      engine,
      pairs.map(([a, b], i) => matmul(numbers(a, i), numbers(b, i + 1))),
    )
  })

  it('divides: nothing by nothing is no number', () =>
    expectAgreement(engine, [ops.div(tensor([0, 1, 6, -0.5]), tensor([0, 4, 3, 0.25]))]))

  it('multiplies by two views of one matrix', async () => {
    const w = numbers([2, 6], 1)
    const other = ops.reshape(w, [6, 2])
    await expectAgreement(engine, [matmul(numbers([3, 2], 2), w), matmul(numbers([3, 6], 3), other)])
  })

  // What shaders make of NaN and infinity is up to the graphics card and its driver.
  it.skipIf(graphics)('knows NaN and infinity', () => {
    const flipped = tensor([1, NaN, 2, NaN, 0, 3, NaN])
    return expectAgreement(engine, [
      ...[ops.relu, ops.sign, ops.exp, ops.tanh, ops.abs, ops.sigmoid, ops.square].map((op) => op(odd)),
      ops.reciprocal(odd),
      ops.maximum(odd, flipped),
      ops.minimum(odd, flipped),
      ops.maximum(odd, 0),
      ops.minimum(0, odd),
      ops.equal(odd, odd),
      cast(odd, 'bool'),
      max(
        tensor([
          [1, NaN, 2],
          [NaN, 1, 2],
          [1, 2, NaN],
        ]),
        [1],
      ),
      argmax(
        tensor([
          [1, NaN, 2],
          [NaN, 1, 2],
          [3, 2, NaN],
        ]),
        1,
      ),
      where(ops.greater(odd, 0), odd, 0),
      sum(ops.expand(odd, [2, 7]), [0]),
    ])
  })

  it.runIf(graphics)('refuses integers that a graphics card would round', async () => {
    const at = async (x: ops.AnyTensor): Promise<unknown> => evaluate([x], { engine }).catch(String)
    const [wide, factor] = [intTensor([2 ** 24 + 1, -7]), intTensor([5000, 3])]
    expect(await at(ops.neg(wide))).toMatch(/DataError: .* 16777217 does not fit into the 24 bits/)
    expect(await at(ops.mul(factor, factor))).toMatch(/DataError: .*"mul" on int32 reaches 25000000/)
    await expectAgreement(engine, [ops.mul(factor, 3), sum(factor), max(factor), ops.less(factor, 4)])
  })

  it.skipIf(graphics)('computes integers exactly', () => {
    const [a, b] = [intTensor([16777217, -7, 46341]), intTensor([1, 3, -7])]
    return expectAgreement(engine, [
      ...[ops.add, ops.sub, ops.mul, ops.maximum, ops.minimum, ops.equal, ops.less].map((op) => op(a, b)),
      ...[ops.neg, ops.abs, ops.sign].map((op) => op(a)),
      sum(a),
      max(a),
      where(ops.less(a, b), a, b),
      cast(tensor([-1.7, 2.5]), 'int32'),
      cast(a, 'bool'),
      cast(ops.less(a, b), 'int32'),
    ])
  })

  it('takes int64 as long as it fits', async () => {
    const x = tensor(BigInt64Array.from([3n, -4n]), { shape: [2], dtype: 'int64' })
    const big = (value: bigint) => tensor(BigInt64Array.from([value]), { shape: [1], dtype: 'int64' })
    await expectAgreement(engine, [x, ops.mul(x, x), sum(x), cast(tensor([2.5]), 'int64')])
    await expect(ops.evaluate([ops.neg(big(2n ** 40n))], { engine })).rejects.toThrow(
      /1099511627776 does not fit/,
    )
    const square = ops.square(big(100_000n))
    await expect(ops.evaluate([square], { engine })).rejects.toThrow(
      /op "square" on int64 reaches 10000000000/,
    )
  })

  it('refuses float64 in one sentence', async () => {
    const x = tensor(Float64Array.from([1]), { shape: [1], dtype: 'float64' })
    await expect(ops.evaluate([ops.neg(x)], { engine })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/no float64 .* cast/) as string,
    })
    await expect(
      ops.evaluate([constant(Float64Array.from([1]), { shape: [1], dtype: 'float64' })], { engine }),
    ).rejects.toThrow(/float64/)
  })
})
