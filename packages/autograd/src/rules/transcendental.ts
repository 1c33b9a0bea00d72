/** @file Rules of transcendental functions, rounding, remainders and logic. */
import {
  add,
  cos,
  cosh,
  div,
  exp,
  mul,
  neg,
  reciprocal,
  round,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  type Tensor,
} from '@beyondgrad/tensor'
import { elementwise, flat } from './partials.ts'
import type { Rule } from './rule.ts'

/** x / root³, for the second derivatives of inverse functions whose first is 1 / root. */
const overCube = (x: Tensor, root: Tensor): Tensor => div(x, mul(root, square(root)))

/** √(1 − x²), as a product that is exact next to 1. */
const toOne = (x: Tensor): Tensor => sqrt(mul(sub(1, x), add(1, x)))
/** √(x² − 1), as a product that is exact next to 1. */
const fromOne = (x: Tensor): Tensor => sqrt(mul(sub(x, 1), add(x, 1)))
/** √(x² + 1). */
const aboveOne = (x: Tensor): Tensor => sqrt(add(square(x), 1))

const bell = (x: Tensor): Tensor => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))

export const transcendentalRules: Readonly<Record<string, Rule>> = {
  sin: elementwise({ partial: (_z, [x]) => cos(x!), second: (z) => neg(z) }),
  cos: elementwise({ partial: (_z, [x]) => neg(sin(x!)), second: (z) => neg(z) }),
  tan: elementwise({
    partial: (z) => add(square(z), 1),
    second: (z) => mul(mul(z, 2), add(square(z), 1)),
  }),
  asin: elementwise({
    partial: (_z, [x]) => reciprocal(toOne(x!)),
    second: (_z, [x]) => overCube(x!, toOne(x!)),
  }),
  acos: elementwise({
    partial: (_z, [x]) => neg(reciprocal(toOne(x!))),
    second: (_z, [x]) => neg(overCube(x!, toOne(x!))),
  }),
  atan: elementwise({
    partial: (_z, [x]) => reciprocal(add(square(x!), 1)),
    second: (_z, [x]) => mul(mul(x!, -2), square(reciprocal(add(square(x!), 1)))),
  }),
  sinh: elementwise({ partial: (_z, [x]) => cosh(x!), second: (z) => z }),
  cosh: elementwise({ partial: (_z, [x]) => sinh(x!), second: (z) => z }),
  asinh: elementwise({
    partial: (_z, [x]) => reciprocal(aboveOne(x!)),
    second: (_z, [x]) => neg(overCube(x!, aboveOne(x!))),
  }),
  acosh: elementwise({
    partial: (_z, [x]) => reciprocal(fromOne(x!)),
    second: (_z, [x]) => neg(overCube(x!, fromOne(x!))),
  }),
  atanh: elementwise({
    partial: (_z, [x]) => reciprocal(mul(sub(1, x!), add(1, x!))),
    second: (_z, [x]) => mul(mul(x!, 2), square(reciprocal(mul(sub(1, x!), add(1, x!))))),
  }),
  erf: elementwise({
    partial: (_z, [x]) => bell(x!),
    second: (_z, [x]) => mul(mul(x!, -2), bell(x!)),
  }),
  floor: flat,
  ceil: flat,
  round: flat,
  // z = a − q b with a whole number q, which is rounded to, so that its own derivative is 0.
  rem: elementwise({ partial: (z, [a, b], i) => (i === 0 ? 1 : round(div(sub(z, a!), b!))) }),
  logicalNot: flat,
  logicalAnd: flat,
  logicalOr: flat,
}
