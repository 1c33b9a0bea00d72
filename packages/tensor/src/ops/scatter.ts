/** @file Adding by index: the transposes of `gather` and `gatherElements`. Updates for one place add up. */
import { allocate, type DType, type HostArray } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Dense, Op, Signature } from '../op.ts'
import { checkShape, formatShape, normalizeAxis, sameShape, sizeOf } from '../shape.ts'
import { aroundAxis, checkPositions, positionAt } from './gather.ts'
import { type Indices, positions } from './positions.ts'

/** Adds update i to element `to(i)`. */
function accumulated(updates: Dense, output: Signature, to: (i: number) => number): HostArray {
  const target = allocate(output.dtype, sizeOf(output.shape), 'float64') as Float64Array
  // BigInts add as numbers do.
  const source = updates.data as Float64Array
  for (let i = 0; i < source.length; i++) {
    const at = to(i)
    target[at] = target[at]! + source[i]!
  }
  return target
}

function demandNumbers(op: string, dtype: DType): void {
  if (dtype === 'bool') throw new DTypeError(op, 'adds numbers, not bool; use cast()')
}

const scatterAddOp: Op = {
  name: 'scatterAdd',
  family: 'gather',
  infer: ([updates, indices], attributes) => {
    checkPositions('scatterAdd', indices!)
    demandNumbers('scatterAdd', updates!.dtype)
    const axis = attributes.axis as number
    const after = axis + indices!.shape.length
    if (!sameShape(updates!.shape.slice(axis, after), indices!.shape)) {
      throw new ShapeError(
        'scatterAdd',
        `updates ${formatShape(updates!.shape)} do not have the indices' shape ${formatShape(indices!.shape)} at axis ${axis}`,
      )
    }
    const [head, tail] = [updates!.shape.slice(0, axis), updates!.shape.slice(after)]
    return { shape: [...head, attributes.size as number, ...tail], dtype: updates!.dtype }
  },
  kernel: ([updates, indices], attributes, output) => {
    const [, size, inner] = aroundAxis(output.shape, attributes.axis as number)
    const count = sizeOf(indices!.shape)
    return accumulated(updates!, output, (i) => {
      const row = Math.floor(i / inner)
      const at = positionAt('scatterAdd', indices!, row % count, size)
      return (Math.floor(row / count) * size + at) * inner + (i % inner)
    })
  },
}

const scatterElementsAddOp: Op = {
  name: 'scatterElementsAdd',
  family: 'gather',
  infer: ([updates, indices], attributes) => {
    checkPositions('scatterElementsAdd', indices!)
    demandNumbers('scatterElementsAdd', updates!.dtype)
    if (!sameShape(updates!.shape, indices!.shape)) {
      throw new ShapeError(
        'scatterElementsAdd',
        `updates ${formatShape(updates!.shape)} and indices ${formatShape(indices!.shape)} must have the same shape`,
      )
    }
    const { axis, size } = attributes as { axis: number; size: number }
    return { shape: (updates!.shape as number[]).with(axis, size), dtype: updates!.dtype }
  },
  kernel: ([updates, indices], attributes, output) => {
    const axis = attributes.axis as number
    const [, size, inner] = aroundAxis(output.shape, axis)
    const count = updates!.shape[axis]!
    return accumulated(updates!, output, (i) => {
      const outer = Math.floor(i / (count * inner))
      const at = positionAt('scatterElementsAdd', indices!, i, size)
      return (outer * size + at) * inner + (i % inner)
    })
  },
}

/** `scatterAdd` at int32 positions that are known to be on the axis: nothing is checked, and none may be negative. */
export function scatterAddAt<D extends DType>(
  updates: Tensor<D>,
  at: Tensor<'int32'>,
  axis: number,
  size: number,
): Tensor<D> {
  demandTensors('scatterAdd', updates, at)
  checkShape('scatterAdd', [size])
  const rank = Math.max(updates.shape.length - at.shape.length + 1, 0)
  return build(scatterAddOp, [updates, at], { axis: normalizeAxis('scatterAdd', axis, rank), size })
}

/** `scatterElementsAdd` at int32 positions that are known to be on the axis: nothing is checked, and none may be negative. */
export function scatterElementsAddAt<D extends DType>(
  updates: Tensor<D>,
  at: Tensor<'int32'>,
  axis: number,
  size: number,
): Tensor<D> {
  demandTensors('scatterElementsAddAt', updates, at)
  checkShape('scatterElementsAdd', [size])
  return build(scatterElementsAddOp, [updates, at], {
    axis: normalizeAxis('scatterElementsAdd', axis, updates.shape.length),
    size,
  })
}

/**
 * Zeros, to which each update is added where its index says: the transpose of `gather`, and so the gradient of an
 * embedding.
 *
 * @param updates [...before, ...indices.shape, ...after]
 * @param indices of any shape; negative ones count from the end
 * @param axis of the result
 * @param size of this axis
 * @returns [...before, size, ...after]
 * @throws DataError if an index is not on the axis: at once for constants, otherwise when it is evaluated
 */
export function scatterAdd<D extends DType>(
  updates: Tensor<D>,
  indices: Indices,
  axis: number,
  size: number,
): Tensor<D> {
  demandTensors('scatterAdd', updates, indices)
  checkShape('scatterAdd', [size])
  const rank = updates.shape.length - indices.shape.length + 1
  const along = normalizeAxis('scatterAdd', axis, Math.max(rank, 0))
  const shape = updates.shape.toSpliced(along, indices.shape.length, size)
  return scatterAddAt(updates, positions('scatterAdd', indices, along, shape), along, size)
}

/**
 * Zeros, to which each update is added at its own place but for `axis`, where its index says: the transpose of
 * `gatherElements`.
 *
 * @param updates of the shape of `indices`
 * @param size of the axis in the result
 * @throws DataError if an index is not on the axis: at once for constants, otherwise when it is evaluated
 */
export function scatterElementsAdd<D extends DType>(
  updates: Tensor<D>,
  indices: Indices,
  axis: number,
  size: number,
): Tensor<D> {
  demandTensors('scatterElementsAdd', updates, indices)
  checkShape('scatterElementsAdd', [size])
  const along = normalizeAxis('scatterElementsAdd', axis, updates.shape.length)
  const shape = (updates.shape as number[]).with(along, size)
  return scatterElementsAddAt(updates, positions('scatterElementsAdd', indices, along, shape), along, size)
}
