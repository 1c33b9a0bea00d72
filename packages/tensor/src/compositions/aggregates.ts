/** @file Reductions that are functions over primitives. */
import { type DType, isFloat } from '../dtype.ts'
import { BeyondgradError } from '../errors.ts'
import { demandTensors, type AnyTensor, type Tensor } from '../node.ts'
import { abs, cast, equal, greater, mul, neg, sqrt, square, sub, where } from '../ops/elementwise.ts'
import { demandBool, logicalNot } from '../ops/logical.ts'
import { pad, reshape, slice } from '../ops/movement.ts'
import { argmax, max, sum } from '../ops/reduce.ts'
import { normalizeAxes } from '../shape.ts'

/** Whether reduced axes stay, with size 1. */
export interface ReduceOptions {
  readonly keep?: boolean
}

/**
 * Product over `axes` (default: all); that over nothing is 1. A tree of products of halves, so the derivative is right
 * where factors are 0, too.
 */
export function prod<D extends DType>(
  x: Tensor<D>,
  axes?: readonly number[],
  options: ReduceOptions = {},
): Tensor<D> {
  demandTensors('prod', x)
  const over = normalizeAxes('prod', axes, x.shape.length)
  const product = over.reduce<Tensor<D>>(prodAlong, x)
  if (options.keep === true) return product
  return reshape(
    product,
    x.shape.filter((_, axis) => !over.includes(axis)),
  )
}

function prodAlong<D extends DType>(x: Tensor<D>, axis: number): Tensor<D> {
  let product = x
  for (;;) {
    const size = product.shape[axis]!
    if (size === 1) return product
    if (size === 0 || size % 2 === 1) {
      const none = product.shape.map(() => 0)
      product = pad(product, none, none.with(axis, 1), 1)
      continue
    }
    product = mul<D>(slice(product, axis, 0, size / 2), slice(product, axis, size / 2))
  }
}

/** Index of the first smallest element along `axis`. NaN is never the smallest. */
export function argmin(x: AnyTensor, axis: number, options?: ReduceOptions): Tensor<'int32'> {
  demandTensors('argmin', x)
  if (x.dtype === 'bool') return argmax(logicalNot(x as Tensor<'bool'>), axis, options)
  // The least integer has no negative; -1 - x turns their order around without one.
  const flipped = isFloat(x.dtype) ? neg(x) : sub(-1, x as Tensor<'int32'>)
  return argmax(flipped, axis, options)
}

/** Whether something is true along `axes` (default: all); of nothing, nothing is. */
export function any(x: Tensor<'bool'>, axes?: readonly number[], options?: ReduceOptions): Tensor<'bool'> {
  demandTensors('any', x)
  demandBool('any', x.dtype)
  return greater(sum(cast(x, 'int32'), axes, options), 0)
}

/** Whether everything is true along `axes` (default: all); of nothing, everything is. */
export function all(x: Tensor<'bool'>, axes?: readonly number[], options?: ReduceOptions): Tensor<'bool'> {
  demandTensors('all', x)
  demandBool('all', x.dtype)
  return equal(sum(cast(logicalNot(x), 'int32'), axes, options), 0)
}

export interface NormOptions extends ReduceOptions {
  /** 1: Σ |x|. 2: the root of Σ x². Infinity: the largest |x|. There are no others. Default: 2. */
  readonly order?: number
}

/** Norm of vectors along `axes` (default: all). Its derivative at 0 is 0. */
export function norm(x: Tensor, axes?: readonly number[], options: NormOptions = {}): Tensor {
  demandTensors('norm', x)
  const { order = 2 } = options
  if (order === 1) return sum(abs(x), axes, options)
  if (order === Infinity) return max(abs(x), axes, options)
  if (order !== 2) throw new BeyondgradError('value', `norm: the order ${order} is not 1, 2 or Infinity`)
  const squares = sum(square(x), axes, options)
  const zero = equal(squares, 0)
  return where(zero, 0, sqrt(where(zero, 1, squares)))
}
