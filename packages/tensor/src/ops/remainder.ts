/** @file Remainders and the whole quotients that belong to them. */
import { type DType, isFloat } from '../dtype.ts'
import type { Tensor } from '../node.ts'
import { add, cast, div, less, sub, where } from './elementwise.ts'
import { logicalAnd, logicalXor, notEqual } from './logical.ts'
import { apply2, binary, type Operand } from './pointwise.ts'
import { floor } from './transcendental.ts'

const remOp = binary('rem', (a, b) => a % b, {
  int64: (a, b) => (b === 0n ? 0n : a % b),
  int32: (a, b) => (b === 0 ? 0 : a % b),
})

/**
 * What division towards zero leaves, with the sign of the dividend, as `%` in JavaScript. The remainder by 0 is NaN for
 * floats, and 0 for integers.
 */
export function rem<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(remOp, a, b)
}

/** Whether a remainder has to move by one divisor to get the divisor's sign. */
function isOpposite<D extends DType>(remainder: Tensor<D>, divisor: Operand<D>): Tensor<'bool'> {
  return logicalAnd(notEqual(remainder, 0), logicalXor(less(remainder, 0), less(divisor, 0)))
}

/**
 * What division downwards leaves, with the sign of the divisor, as `%` in Python and NumPy. The remainder by 0 is NaN
 * for floats, and 0 for integers.
 */
export function mod<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  const remainder = rem(a, b)
  return where(isOpposite(remainder, b), add(remainder, b), remainder)
}

/**
 * ⌊a / b⌋; an integer divided by 0 is 0. Of floats it is the floor of the rounded quotient, which can be one more than
 * NumPy's where `a` is just below a multiple of `b`.
 */
export function floorDivide<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  const quotient = div(a, b)
  if (isFloat(quotient.dtype)) return floor(quotient as Tensor<DType> as Tensor) as Tensor<DType> as Tensor<D>
  return sub(quotient, cast(isOpposite(rem(a, b), b), quotient.dtype))
}
