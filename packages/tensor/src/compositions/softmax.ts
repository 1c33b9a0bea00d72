/** @file Functions over primitives that many models need. */
import type { DType } from '../dtype.ts'
import { BeyondgradError } from '../errors.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { add, cast, equal, exp, log, maximum, minimum, sub, where } from '../ops/elementwise.ts'
import { isFinite } from '../ops/logical.ts'
import { iota, reshape, unsqueeze } from '../ops/movement.ts'
import type { Operand } from '../ops/pointwise.ts'
import { max, sum } from '../ops/reduce.ts'
import { normalizeAxes, normalizeAxis } from '../shape.ts'

/**
 * log Σ exp over `axes` (default: all), shifted by the maximum, so that nothing overflows. Over nothing, and where all is
 * -∞, it is -∞ with derivative 0.
 *
 * @param axes a list of axes, or one axis
 * @param options `keep` leaves the axes with size 1: by default true for one axis, false for a list
 */
export function logSumExp(
  x: Tensor,
  axes?: number | readonly number[],
  options: { readonly keep?: boolean } = {},
): Tensor {
  demandTensors('logSumExp', x)
  const one = typeof axes === 'number'
  const over = normalizeAxes('logSumExp', one ? [axes] : axes, x.shape.length)
  const shape = x.shape.flatMap((size, axis) => (over.includes(axis) ? [] : size))
  const top = over.some((axis) => x.shape[axis] === 0) ? undefined : max(x, over, { keep: true })
  // Infinite maxima shift nothing: ∞ - ∞ is no number.
  const shift = top && where(isFinite(top), top, 0)
  const total = sum(exp(shift ? sub(x, shift) : x), over, { keep: true })
  const nothing = equal(total, 0)
  const logarithm = log(where(nothing, 1, total))
  const result = where(nothing, -Infinity, shift ? add(logarithm, shift) : logarithm)
  return (options.keep ?? one) ? result : reshape(result, shape)
}

/** Logarithm of the softmax along one axis. Shifted first: log Σ would be lost in the digits of a large maximum. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  demandTensors('logSoftmax', x)
  const along = [normalizeAxis('logSoftmax', axis, x.shape.length)]
  const shifted = sub(x, max(x, along, { keep: true }))
  return sub(shifted, log(sum(exp(shifted), along, { keep: true })))
}

/** exp(x) / Σ exp(x) along one axis. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return exp(logSoftmax(x, axis))
}

/** A new last axis of size `depth` that is 1 where its position equals the index and 0 elsewhere. */
export function oneHot(indices: Tensor<'int32'>, depth: number): Tensor {
  demandTensors('oneHot', indices)
  if (!Number.isInteger(depth) || depth < 1) {
    throw new BeyondgradError('value', `oneHot: depth ${depth} is not a positive integer`)
  }
  const positions = reshape(iota(depth), [...indices.shape.map(() => 1), depth])
  return cast(equal<'int32'>(unsqueeze(indices, [-1]), positions), 'float32')
}

/**
 * Elements kept between bounds, either of which may be left out. The derivative is 1 also at a bound. NaN stays.
 *
 * @param least numbers or tensors that broadcast
 */
export function clip<D extends DType>(x: Tensor<D>, least?: Operand<D>, most?: Operand<D>): Tensor<D> {
  demandTensors('clip', x)
  if (typeof least === 'number' && typeof most === 'number' && !(least <= most)) {
    throw new BeyondgradError('value', `clip: the bounds ${least} and ${most} leave nothing between them`)
  }
  const above = least === undefined ? x : maximum(x, least)
  return most === undefined ? above : minimum(above, most)
}
