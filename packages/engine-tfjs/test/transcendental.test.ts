/** @file Transcendental functions, rounding, remainders, logic and what is composed of them, also of odd numbers. */
import { gradient } from '@beyondgrad/autograd'
import * as ops from '@beyondgrad/tensor'
import { tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { expectAgreement, numbers, seeds, shapes } from './against-reference.ts'
import { processors } from './backends.ts'

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

describe.each(processors)('transcendental functions on $name', ({ name, engine }) => {
  it.each(Object.entries(functions))('%s of zeros, large numbers, infinities and NaN', async (op, of) => {
    // The wasm backend has no sine of numbers beyond 10¹⁰.
    const huge = name !== 'wasm' || !['sin', 'cos'].includes(op)
    const bent = (x: Tensor): Tensor => (huge ? x : ops.where(ops.less(ops.abs(x), 1e10), x, 1))
    await expectAgreement(engine, [of(bent(odd)), of(bent(wide))])
  })

  it('keeps the digits of small results', () => {
    const tiny = tensor([1e-6, -3e-6])
    return expectAgreement(engine, [
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
        await expectAgreement(
          engine,
          Object.values(functions).map((of) => of(x)),
        )
      }),
      { numRuns: 30 },
    ))

  it.each(Object.entries(activations))('%s and its derivative', async (_name, of) => {
    const [slope] = gradient(of(wide).sum(), [wide])
    await expectAgreement(engine, [of(wide), slope!])
  })
})

describe.each(processors)('pairs of odd numbers on $name', ({ engine }) => {
  const [a, b] = [ops.reshape(odd, [19, 1]), odd]

  it('are compared, divided and turned into angles as on the reference engine', () =>
    expectAgreement(engine, [
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
    await expectAgreement(engine, [
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

describe.each(processors)('reductions on $name', ({ engine }) => {
  it('of any shape', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.filter((shape) => shape.length > 0),
        seeds,
        async (shape, seed) => {
          const x = numbers(shape, seed)
          const axes = shape.map((_, axis) => axis).filter((axis) => (seed >> axis) % 2 === 0)
          const full = !shape.includes(0)
          await expectAgreement(engine, [
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
      { numRuns: 30 },
    ))

  it('log Σ exp of infinities', async () => {
    const x = tensor([
      [-Infinity, -Infinity],
      [-Infinity, 2],
      [Infinity, 3],
      [NaN, 1],
    ])
    await expectAgreement(engine, [ops.logSumExp(x, 1), ops.logSumExp(x, [0]), ops.logSumExp(x)])
  })
})
