/** @file Functions over primitives that many models need. */
import { BeyondgradError } from './errors.ts'
import type { Tensor } from './node.ts'
import { cast, equal, exp, log, sub } from './ops/elementwise.ts'
import { iota, reshape, unsqueeze } from './ops/movement.ts'
import { max, sum } from './ops/reduce.ts'
import { normalizeAxis } from './shape.ts'

/** log Σ exp along one axis, which stays with size 1; shifted by the maximum, so that nothing overflows. */
export function logSumExp(x: Tensor, axis: number): Tensor {
  const along = [normalizeAxis('logSumExp', axis, x.shape.length)]
  const top = max(x, along, { keep: true })
  return log(sum(exp(sub(x, top)), along, { keep: true })).add(top)
}

/** Logarithm of the softmax along one axis. Shifted first: log Σ would be lost in the digits of a large maximum. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
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
  if (!Number.isInteger(depth) || depth < 1) {
    throw new BeyondgradError('value', `oneHot: depth ${depth} is not a positive integer`)
  }
  const positions = reshape(iota(depth), [...indices.shape.map(() => 1), depth])
  return cast(equal<'int32'>(unsqueeze(indices, [-1]), positions), 'float32')
}
