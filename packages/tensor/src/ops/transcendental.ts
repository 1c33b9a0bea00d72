/** @file Transcendental functions of floats, rounding, and what is composed of them. */
import { type Tensor, build } from '../node.ts'
import {
  abs,
  add,
  div,
  equal,
  exp,
  greater,
  less,
  log,
  mul,
  reciprocal,
  sign,
  sub,
  tanh,
  where,
} from './elementwise.ts'
import { errorFunction } from './error-function.ts'
import { logicalAnd, logicalOr } from './logical.ts'
import { numberLike, unary } from './pointwise.ts'

const sinOp = unary('sin', Math.sin)
const cosOp = unary('cos', Math.cos)
const tanOp = unary('tan', Math.tan)
const asinOp = unary('asin', Math.asin)
const acosOp = unary('acos', Math.acos)
const atanOp = unary('atan', Math.atan)
const sinhOp = unary('sinh', Math.sinh)
const coshOp = unary('cosh', Math.cosh)
const asinhOp = unary('asinh', Math.asinh)
const acoshOp = unary('acosh', Math.acosh)
const atanhOp = unary('atanh', Math.atanh)
const erfOp = unary('erf', errorFunction)
const floorOp = unary('floor', Math.floor)
const ceilOp = unary('ceil', Math.ceil)
const roundOp = unary('round', halfToEven)

function halfToEven(x: number): number {
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)
}

export function sin(x: Tensor): Tensor {
  return build(sinOp, [x])
}
export function cos(x: Tensor): Tensor {
  return build(cosOp, [x])
}
export function tan(x: Tensor): Tensor {
  return build(tanOp, [x])
}
/** NaN outside [-1, 1]. */
export function asin(x: Tensor): Tensor {
  return build(asinOp, [x])
}
/** NaN outside [-1, 1]. */
export function acos(x: Tensor): Tensor {
  return build(acosOp, [x])
}
export function atan(x: Tensor): Tensor {
  return build(atanOp, [x])
}
export function sinh(x: Tensor): Tensor {
  return build(sinhOp, [x])
}
export function cosh(x: Tensor): Tensor {
  return build(coshOp, [x])
}
export function asinh(x: Tensor): Tensor {
  return build(asinhOp, [x])
}
/** NaN below 1. */
export function acosh(x: Tensor): Tensor {
  return build(acoshOp, [x])
}
/** Infinite at -1 and 1, NaN beyond. */
export function atanh(x: Tensor): Tensor {
  return build(atanhOp, [x])
}
/** The error function 2/√π ∫₀ˣ exp(−t²) dt. */
export function erf(x: Tensor): Tensor {
  return build(erfOp, [x])
}
/** The next integer at or below. Like all rounding it has derivative 0. */
export function floor(x: Tensor): Tensor {
  return build(floorOp, [x])
}
/** The next integer at or above. */
export function ceil(x: Tensor): Tensor {
  return build(ceilOp, [x])
}
/** The nearest integer; of two that are equally near, the even one. */
export function round(x: Tensor): Tensor {
  return build(roundOp, [x])
}
/** The next integer towards zero. */
export function trunc(x: Tensor): Tensor {
  return where(less(x, 0), ceil(x), floor(x))
}

/** Where x is so small that 1 + x, or the difference of eˣ and 1, would lose its digits. */
const isSmall = (x: Tensor): Tensor<'bool'> => less(abs(x), 0.5)

/** eˣ − 1, exact near zero, where the difference would cancel. */
export function expm1(x: Tensor): Tensor {
  const near = isSmall(x)
  const small = where(near, x, 0)
  // Further out this product is exact, too, but its derivative is not.
  return where(near, mul(tanh(mul(small, 0.5)), add(exp(small), 1)), sub(exp(x), 1))
}

/** log(1 + x), exact near zero, where 1 + x would round. */
export function log1p(x: Tensor): Tensor {
  const near = isSmall(x)
  const small = where(near, x, 0)
  return where(near, mul(atanh(div(small, add(small, 2))), 2), log(add(where(near, 0, x), 1)))
}

/**
 * The angle of the point (x, y) in [-π, π]; signs of zeros and infinities count as in IEEE 754. Its derivative is exact
 * everywhere but at the origin and at infinity, where it is 0.
 *
 * @param y second coordinate, broadcast with x
 * @param x first coordinate
 */
export function atan2(y: Tensor, x: Tensor): Tensor {
  // The ratio is that which is at most 1 in size: no overflow, and no kink at the axes.
  const steep = greater(abs(y), abs(x))
  const origin = logicalAnd(equal(x, 0), equal(y, 0))
  const corner = logicalAnd(equal(abs(x), Infinity), equal(abs(y), Infinity))
  const special = logicalOr(origin, corner)
  const over = where(special, sign(y), where(steep, x, y))
  const under = where(special, where(origin, 1, sign(x)), where(steep, y, x))
  const angle = atan(div(over, under))
  const [below, above] = [-Math.PI, Math.PI].map((half) => numberLike('atan2', half, y.dtype))
  const side = where(isNegative(y), below!, above!)
  const behind = add(angle, where(isNegative(x), side, 0))
  return where(steep, sub(mul(side, 0.5), angle), behind)
}

/** Below zero, or -0. */
function isNegative(x: Tensor): Tensor<'bool'> {
  return logicalOr(less(x, 0), logicalAnd(equal(x, 0), less(reciprocal(x), 0)))
}
