/** @file The order of two computations of which neither needs the other: what engines don't know, and memory may depend on. */
import type { DType } from './dtype.ts'
import type { AnyTensor, Tensor } from './node.ts'
import { equal, where } from './ops/elementwise.ts'
import { reshape, slice } from './ops/movement.ts'
import { sizeOf } from './shape.ts'

/**
 * x, but not before the token has been computed: a choice between x and x that depends on the token. It costs a copy of x. A token
 * without elements orders nothing.
 */
export function after<D extends DType>(token: AnyTensor, x: Tensor<D>): Tensor<D> {
  if (sizeOf(token.shape) === 0) return x
  const one = reshape(slice(reshape(token as never, [sizeOf(token.shape)]), 0, 0, 1), [])
  return where<D>(equal(one, one), x, x)
}
