/** @file Rules of elementwise arithmetic, comparison, selection and casts. */
import {
  type AnyTensor,
  cast,
  div,
  type DType,
  equal,
  greater,
  isFloat,
  log,
  mul,
  neg,
  pow,
  reciprocal,
  sign,
  square,
  sub,
  sumTo,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { elementwise, flat, indicator } from './partials.ts'
import type { Rule } from './rule.ts'

/** The derivative of aᵇ by a, taken `times`; where its factor b (b − 1) … is 0, no power of 0 may turn it into NaN. */
function falling(a: Tensor, b: Tensor, times: 1 | 2): Tensor {
  const factor = times === 1 ? b : mul(b, sub(b, 1))
  return mul(factor, pow(a, where(equal(factor, 0), 1, sub(b, times))))
}

/** log a, and 0 at 0, where aᵇ is flat in b. */
const logOrZero = (a: Tensor): Tensor => where(equal(a, 0), 0, log(a))

const positive = (x: Tensor): Tensor<'bool'> => greater(x, 0)

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  neg: elementwise({ partial: () => -1 }),
  abs: elementwise({ partial: (_z, [x]) => sign(x!) }),
  sign: flat,
  exp: elementwise({ partial: (z) => z, second: (z) => z }),
  log: elementwise({
    partial: (_z, [x]) => reciprocal(x!),
    second: (_z, [x]) => neg(reciprocal(square(x!))),
  }),
  sqrt: elementwise({
    partial: (z) => div(0.5, z),
    second: (z) => div(-0.25, mul(z, square(z))),
  }),
  square: elementwise({ partial: (_z, [x]) => mul(x!, 2), second: () => 2 }),
  reciprocal: elementwise({ partial: (z) => neg(square(z)), second: (z) => mul(mul(z, square(z)), 2) }),
  tanh: elementwise({
    partial: (z) => sub(1, square(z)),
    second: (z) => mul(mul(z, -2), sub(1, square(z))),
  }),
  sigmoid: elementwise({
    partial: (z) => mul(z, sub(1, z)),
    second: (z) => mul(mul(z, sub(1, z)), sub(1, mul(z, 2))),
  }),
  // Selection instead of multiplication: one pass over memory less, and 0 · ∞ can't arise.
  relu: elementwise({ partial: (_z, [x]) => indicator(positive(x!), x!) }, (node, g) => [
    where(positive(node.inputs[0] as Tensor), g, 0),
  ]),
  add: elementwise({ partial: () => 1 }),
  sub: elementwise({ partial: (_z, _x, i) => (i === 0 ? 1 : -1) }),
  mul: elementwise({
    partial: (_z, x, i) => x[1 - i]!,
    second: (_z, _x, i, j) => (i === j ? 0 : 1),
  }),
  div: elementwise({
    partial: (z, [, b], i) => (i === 0 ? reciprocal(b!) : neg(div(z, b!))),
    second: (z, [, b], i, j) => {
      if (i === 0 && j === 0) return 0
      return i === j ? div(mul(z, 2), square(b!)) : neg(reciprocal(square(b!)))
    },
  }),
  pow: elementwise({
    partial: (z, [a, b], i) => (i === 0 ? falling(a!, b!, 1) : mul(z, logOrZero(a!))),
    second: (z, [a, b], i, j) => {
      if (i === 0 && j === 0) return falling(a!, b!, 2)
      if (i === 1 && j === 1) return mul(z, square(logOrZero(a!)))
      return mul(pow(a!, sub(b!, 1)), mul(b!, logOrZero(a!)).add(1))
    },
  }),
  // At a tie the first operand counts.
  maximum: elementwise({
    partial: (_z, [a, b], i) => {
      const second = indicator(greater(b!, a!), a!)
      return i === 1 ? second : sub(1, second)
    },
  }),
  minimum: elementwise({
    partial: (_z, [a, b], i) => {
      const second = indicator(greater(a!, b!), a!)
      return i === 1 ? second : sub(1, second)
    },
  }),
  where: elementwise(
    {
      partial: (z, [condition], i) => {
        const first = cast(condition as AnyTensor, z.dtype)
        return i === 0 ? 0 : i === 1 ? first : sub(1, first)
      },
    },
    (node, g, wanted) => {
      const [condition, a, b] = node.inputs as [Tensor<'bool'>, AnyTensor, AnyTensor]
      return [
        undefined,
        wanted[1] ? sumTo(where(condition, g, 0), a.shape) : undefined,
        wanted[2] ? sumTo(where(condition, 0, g), b.shape) : undefined,
      ]
    },
  ),
  cast: elementwise({ partial: () => 1 }, (node, g, wanted) => {
    const [x] = node.inputs as [AnyTensor]
    return [
      wanted[0] && isFloat(x.dtype) && isFloat(node.dtype) ? (cast<DType>(g, x.dtype) as Tensor) : undefined,
    ]
  }),
  equal: flat,
  less: flat,
  greater: flat,
}
