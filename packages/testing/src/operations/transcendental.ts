/** @file Transcendental functions, rounding, remainders and logic; see elementwise.ts for how arguments are bent. */
import {
  acos,
  acosh,
  asin,
  asinh,
  atan,
  atanh,
  cast,
  ceil,
  cos,
  cosh,
  erf,
  floor,
  greater,
  less,
  logicalAnd,
  logicalNot,
  logicalOr,
  mul,
  rem,
  round,
  sin,
  sinh,
  tan,
  tanh,
  type Tensor,
} from '@beyondgrad/tensor'
import { binary, exactly, positive, unary } from './elementwise.ts'
import type { Apply, Operation } from './operation.ts'

/** Well within (-1, 1). */
const inside = (x: Tensor): Tensor => mul(tanh(x), 0.8)

/** Twice the operand: leaves lie between -1.5 and 1.5, and would seldom be rounded to anything but 0. */
const rounded =
  (apply: (x: Tensor) => Tensor): Apply =>
  (pool, random) =>
    unary((x) => apply(mul(x, 2)))(exactly(pool), random)

const logic =
  (apply: (a: Tensor<'bool'>, b: Tensor<'bool'>) => Tensor<'bool'>): Apply =>
  (pool, random) =>
    binary((a, b) => cast(apply(greater(a, 0), less(b, 0.5)), 'float32'))(exactly(pool), random)

export const transcendental: Readonly<Record<string, Operation>> = {
  sin: { apply: unary(sin) },
  cos: { apply: unary(cos) },
  tan: { apply: unary((x) => tan(tanh(x))) },
  asin: { apply: unary((x) => asin(inside(x))) },
  acos: { apply: unary((x) => acos(inside(x))) },
  atan: { apply: unary(atan) },
  sinh: { apply: unary((x) => sinh(tanh(x))) },
  cosh: { apply: unary((x) => cosh(tanh(x))) },
  asinh: { apply: unary(asinh) },
  acosh: { apply: unary((x) => acosh(positive(x).add(1))) },
  atanh: { apply: unary((x) => atanh(inside(x))) },
  erf: { apply: unary(erf) },
  floor: { apply: rounded(floor) },
  ceil: { apply: rounded(ceil) },
  round: { apply: rounded(round) },
  // By a constant: a divisor that varies would have to be exact, and away from 0.
  rem: { apply: (pool, random) => unary((x) => rem(x, random.pick([0.75, -0.625])))(exactly(pool), random) },
  logicalNot: {
    apply: (pool, random) => unary((x) => cast(logicalNot(greater(x, 0)), 'float32'))(exactly(pool), random),
  },
  logicalAnd: { apply: logic(logicalAnd) },
  logicalOr: { apply: logic(logicalOr) },
}
