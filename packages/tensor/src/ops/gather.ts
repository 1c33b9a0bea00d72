/**
 * @file Reading by index. `gather` takes whole slices of an axis, `gatherElements` one element of it for each place
 * of the result. Primitives take positions that are known to be on the axis; see positions.ts for those that are not.
 */
import { allocate, type DType } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { demandTensors, type AnyTensor, build, type Tensor } from '../node.ts'
import type { Dense, Op } from '../op.ts'
import { formatShape, normalizeAxis, type Shape, sizeOf } from '../shape.ts'
import { add, mul } from './elementwise.ts'
import { iota, reshape, slice } from './movement.ts'
import { type Indices, positions } from './positions.ts'

/** An axis as the middle one of three. */
export function aroundAxis(shape: Shape, axis: number): [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))]
}

/** Throws unless positions are what engines take. */
export function checkPositions(op: string, { dtype }: AnyTensor): void {
  if (dtype !== 'int32') throw new DTypeError(op, `positions must be int32, not ${dtype}; use cast()`)
}

/** An index of a primitive; one that is not on the axis comes of a caller that did not check it. */
export function positionAt(op: string, positions: Dense, i: number, size: number): number {
  const at = positions.data[i] as number
  if (at >= 0 && at < size) return at
  throw new ShapeError(op, `position ${at} is not on an axis of size ${size}`)
}

const gatherOp: Op = {
  name: 'gather',
  family: 'gather',
  infer: ([x, indices], attributes) => {
    checkPositions('gather', indices!)
    const axis = attributes.axis as number
    return {
      shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)],
      dtype: x!.dtype,
    }
  },
  kernel: ([x, indices], attributes, output) => {
    const [outer, size, inner] = aroundAxis(x!.shape, attributes.axis as number)
    const count = sizeOf(indices!.shape)
    const target = allocate(output.dtype, sizeOf(output.shape), 'float64')
    for (let o = 0, to = 0; o < outer; o++) {
      for (let i = 0; i < count; i++) {
        const from = (o * size + positionAt('gather', indices!, i, size)) * inner
        for (let j = 0; j < inner; j++) target[to++] = x!.data[from + j]!
      }
    }
    return target
  },
}

/** Throws unless two shapes are equal in all axes but one. */
function demandAlike(op: string, a: Shape, b: Shape, axis: number): void {
  if (a.length === b.length && a.every((size, i) => i === axis || size === b[i])) return
  throw new ShapeError(op, `${formatShape(a)} and ${formatShape(b)} differ in an axis other than ${axis}`)
}

const gatherElementsOp: Op = {
  name: 'gatherElements',
  family: 'gather',
  infer: ([x, indices], attributes) => {
    checkPositions('gatherElements', indices!)
    demandAlike('gatherElements', x!.shape, indices!.shape, attributes.axis as number)
    return { shape: indices!.shape, dtype: x!.dtype }
  },
  kernel: ([x, indices], attributes, output) => {
    const axis = attributes.axis as number
    const [, size, inner] = aroundAxis(x!.shape, axis)
    const count = output.shape[axis]!
    const target = allocate(output.dtype, sizeOf(output.shape), 'float64')
    for (let i = 0; i < target.length; i++) {
      const outer = Math.floor(i / (count * inner))
      const at = positionAt('gatherElements', indices!, i, size)
      target[i] = x!.data[(outer * size + at) * inner + (i % inner)]!
    }
    return target
  },
}

/** `gather` at int32 positions that are known to be on the axis: nothing is checked, and none may be negative. */
export function gatherAt<D extends DType>(x: Tensor<D>, at: Tensor<'int32'>, axis: number): Tensor<D> {
  demandTensors('gatherAt', x, at)
  return build(gatherOp, [x, at], { axis: normalizeAxis('gather', axis, x.shape.length) })
}

/** `gatherElements` at int32 positions that are known to be on the axis: nothing is checked, and none may be negative. */
export function gatherElementsAt<D extends DType>(
  x: Tensor<D>,
  at: Tensor<'int32'>,
  axis: number,
): Tensor<D> {
  demandTensors('gatherElementsAt', x, at)
  return build(gatherElementsOp, [x, at], { axis: normalizeAxis('gatherElements', axis, x.shape.length) })
}

/**
 * Slices of x along an axis, in the order of the indices, as `numpy.take`: an embedding is `gather(weight, tokens, 0)`.
 *
 * @param x [...before, size, ...after]
 * @param indices of any shape; negative ones count from the end
 * @returns [...before, ...indices.shape, ...after]
 * @throws DataError if an index is not on the axis: at once for constants, otherwise when it is evaluated
 */
export function gather<D extends DType>(x: Tensor<D>, indices: Indices, axis = 0): Tensor<D> {
  demandTensors('gather', x, indices)
  const along = normalizeAxis('gather', axis, x.shape.length)
  return gatherAt(x, positions('gather', indices, along, x.shape), along)
}

/**
 * For each place of `indices` the element of x at the same place but for `axis`, where the index says which:
 * `numpy.take_along_axis`.
 *
 * @param indices of the rank of x, and nowhere larger but along `axis`; negative ones count from the end
 * @returns of the shape of `indices`
 * @throws DataError if an index is not on the axis: at once for constants, otherwise when it is evaluated
 */
export function gatherElements<D extends DType>(x: Tensor<D>, indices: Indices, axis: number): Tensor<D> {
  demandTensors('gatherElements', x, indices)
  const along = normalizeAxis('gatherElements', axis, x.shape.length)
  const { shape } = indices
  if (shape.length !== x.shape.length || shape.some((size, i) => i !== along && size > x.shape[i]!)) {
    throw new ShapeError(
      'gatherElements',
      `indices ${formatShape(shape)} do not lie within ${formatShape(x.shape)} on every axis but ${along}`,
    )
  }
  const within = shape.reduce((part, size, i) => (i === along ? part : slice(part, i, 0, size)), x)
  return gatherElementsAt(within, positions('gatherElements', indices, along, x.shape), along)
}

/** One position for several indices: those of `shape` with its axes joined. */
export interface Joined {
  /** [...batch, ...places] */
  readonly at: Tensor<'int32'>
  /** How many axes the indices name, one after the other. */
  readonly depth: number
}

/** Coordinates on the last axis of `indices`, as positions in the axes `first`, `first + 1`, … of `shape` joined. */
export function joinedPositions(op: string, indices: Indices, first: number, shape: Shape): Joined {
  const depth = indices.shape.at(-1) ?? 0
  if (depth < 1 || first + depth > shape.length) {
    throw new ShapeError(
      op,
      `indices ${formatShape(indices.shape)} name ${depth} axes of ${formatShape(shape)} from axis ${first} on`,
    )
  }
  const last = indices.shape.length - 1
  const parts = Array.from({ length: depth }, (_, i) => {
    const column = slice<'int32'>(indices as Tensor<'int32'>, last, i, i + 1)
    const at = positions(op, reshape(column, indices.shape.slice(0, -1)), first + i, shape)
    const stride = sizeOf(shape.slice(first + i + 1, first + depth))
    return stride === 1 ? at : mul<'int32'>(at, stride)
  })
  return { at: parts.reduce((a, b) => add<'int32'>(a, b)), depth }
}

/**
 * Slices of x at coordinates, as ONNX GatherND: result[...b, ...p] = x[...b, ...indices[...b, ...p]].
 *
 * @param indices [...batch, ...places, m]: each names m axes of x after the batch; negative ones count from the end
 * @param batchDims leading axes that both share. Default: 0
 * @returns [...batch, ...places, ...the axes of x that are left]
 * @throws DataError if an index is not on its axis: at once for constants, otherwise when it is evaluated
 */
export function gatherND<D extends DType>(x: Tensor<D>, indices: Indices, batchDims = 0): Tensor<D> {
  demandTensors('gatherND', x, indices)
  if (!Number.isInteger(batchDims))
    throw new ShapeError('gatherND', `batchDims ${batchDims} is not an integer`)
  const batch = x.shape.slice(0, batchDims)
  const isPrefix = batchDims >= 0 && batchDims < indices.shape.length
  if (!isPrefix || batch.length < batchDims || batch.some((size, i) => size !== indices.shape[i])) {
    throw new ShapeError(
      'gatherND',
      `${formatShape(x.shape)} and indices ${formatShape(indices.shape)} do not share ${batchDims} leading axes`,
    )
  }
  const { at, depth } = joinedPositions('gatherND', indices, batchDims, x.shape)
  const rest = x.shape.slice(batchDims + depth)
  const rows = sizeOf(x.shape.slice(batchDims, batchDims + depth))
  const examples = sizeOf(batch)
  const table = reshape(x, [examples * rows, ...rest])
  if (examples <= 1) return gatherAt(table, at, 0)
  const ones = at.shape.slice(batchDims).map(() => 1)
  const starts = reshape(mul<'int32'>(iota(examples), rows), [...batch, ...ones])
  return gatherAt(table, add<'int32'>(at, starts), 0)
}
