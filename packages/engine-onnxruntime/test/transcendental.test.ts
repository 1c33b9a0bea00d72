/** @file Transcendental functions, rounding, remainders, logic and what is composed of them, also of odd numbers. */
import * as ops from '@beyondgrad/tensor'
import { cast, evaluate, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAgreement, native, numbers, runs, seeds, shapes } from './against-reference.ts'

const odd = tensor([
  0,
  -0,
  0.5,
  -0.5,
  1,
  -1,
  1.5,
  2.5,
  -2.5,
  7,
  -7,
  90,
  -90,
  1e4,
  1e20,
  -1e20,
  Infinity,
  -Infinity,
  NaN,
])
/** Without what is NaN as a product of infinity and 0. */
const wide = tensor([0, -0, 1e-6, -1e-6, 0.5, -0.5, 3, -3, 6, 20, -20, 90, -90, 1e4, -1e4, 1e20, -1e20])

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  sin: ops.sin,
  cos: ops.cos,
  tan: ops.tan,
  asin: ops.asin,
  acos: ops.acos,
  atan: ops.atan,
  sinh: ops.sinh,
  cosh: ops.cosh,
  asinh: ops.asinh,
  acosh: ops.acosh,
  atanh: ops.atanh,
  erf: ops.erf,
  floor: ops.floor,
  ceil: ops.ceil,
  round: ops.round,
  trunc: ops.trunc,
  expm1: ops.expm1,
  log1p: ops.log1p,
}

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  softplus: ops.softplus,
  logSigmoid: ops.logSigmoid,
  gelu: ops.gelu,
  geluByTanh: (x) => ops.gelu(x, { approximate: 'tanh' }),
  silu: ops.silu,
  mish: ops.mish,
  elu: ops.elu,
  selu: ops.selu,
  celu: (x) => ops.celu(x, { alpha: 2 }),
  leakyRelu: ops.leakyRelu,
  prelu: (x) => ops.prelu(x, tensor(0.3)),
  hardSigmoid: ops.hardSigmoid,
  hardSwish: ops.hardSwish,
  hardTanh: ops.hardTanh,
  softsign: ops.softsign,
  relu6: ops.relu6,
}

describe('transcendental functions', () => {
  it.each(Object.entries(functions))('%s of zeros, large numbers, infinities and NaN', async (_name, of) => {
    await expectAgreement([of(odd), of(wide)])
  })

  it('keeps the digits of small results', () => {
    const tiny = tensor([1e-6, -3e-6])
    return expectAgreement([
      ops.mul(ops.expm1(tiny), 1e6),
      ops.mul(ops.log1p(tiny), 1e6),
      ops.mul(ops.softplus(tensor([-20, -15])), Math.exp(15)),
      ops.mul(ops.elu(tiny), 1e6),
    ])
  })

  it('of any shape', () =>
    fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        const x = numbers(shape, seed)
        await expectAgreement(Object.values(functions).map((of) => of(x)))
      }),
      runs,
    ))

  it.each(Object.entries(activations))('%s', async (_name, of) => {
    await expectAgreement([of(wide)])
  })
})

describe('pairs of odd numbers', () => {
  const [a, b] = [ops.reshape(odd, [19, 1]), odd]

  it('are compared, divided and turned into angles as on the reference engine', () =>
    expectAgreement([
      ops.rem(a, b),
      ops.mod(a, b),
      ops.floorDivide(ops.clip(a, -100, 100), 7),
      ops.atan2(a, b),
      ops.notEqual(a, b),
      ops.lessEqual(a, b),
      ops.greaterEqual(a, b),
      ops.isNaN(odd),
      ops.isFinite(odd),
      ops.isInfinite(odd),
      ops.clip(odd, -1, 2),
    ]))

  it('logic', async () => {
    const [p, q] = [ops.greater(a, 0), ops.less(b, 1)]
    await expectAgreement([
      ops.logicalNot(p),
      ops.logicalAnd(p, q),
      ops.logicalOr(p, q),
      ops.logicalXor(p, q),
      ops.lessEqual(p, q),
      ops.any(ops.logicalAnd(p, q), [1]),
      ops.all(ops.logicalOr(p, q), [0]),
      ops.argmin(q, 0),
    ])
  })
})

describe('reductions', () => {
  it('of any shape', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.filter((shape) => shape.length > 0),
        seeds,
        async (shape, seed) => {
          const x = numbers(shape, seed)
          const axes = shape.map((_, axis) => axis).filter((axis) => (seed >> axis) % 2 === 0)
          const full = !shape.includes(0)
          await expectAgreement([
            ops.prod(x, axes),
            ops.logSumExp(x, axes),
            ops.norm(x, axes),
            ops.norm(x, axes, { order: 1, keep: true }),
            ops.cumsum(x, seed % shape.length, { exclusive: seed % 3 === 0, reverse: seed % 5 < 2 }),
            ops.any(ops.greater(x, 1.5), axes),
            ops.all(ops.greater(x, -1.5), axes, { keep: true }),
            ...(full ? [ops.min(x, axes), ops.argmin(x, seed % shape.length)] : []),
          ])
        },
      ),
      runs,
    ))

  it('log Σ exp of infinities', async () => {
    const x = tensor([
      [-Infinity, -Infinity],
      [-Infinity, 2],
      [Infinity, 3],
      [NaN, 1],
    ])
    await expectAgreement([ops.logSumExp(x, 1), ops.logSumExp(x, [0]), ops.logSumExp(x)])
  })
})

it('float64 has no kernel for most of these, and is refused in one sentence', async () => {
  const x = cast(tensor([0.5]), 'float64') as unknown as Tensor
  await expect(evaluate([ops.erf(ops.add(x, x))], { engine: native })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/cast to float32/) as string,
  })
  await expectAgreement([ops.sin(x), ops.cos(x), ops.floor(x), ops.round(x), ops.rem(x, x)])
})
