/**
 * @file Indices that people bring: checked, counted from the front, and kept on the axis. A check of a computed tensor
 * comes after the run, so that until then nothing may be read from where there is nothing. An exported file has no
 * checks: there an index beyond an end counts as that end.
 */
import { DTypeError, ShapeError } from '../errors.ts'
import { constantData, constantOf } from '../leaf.ts'
import type { Tensor } from '../node.ts'
import { formatShape, type Shape, sizeOf } from '../shape.ts'
import { add, cast, less, maximum, minimum, where } from './elementwise.ts'
import { type Check, guard, runCheck } from './guard.ts'

/** Indices as people give them; negative ones count from the end of the axis. */
export type Indices = Tensor<'int32'> | Tensor<'int64'>

/**
 * Positions from 0 to size - 1. Constants are checked at once, everything else at every run: a `DataError` if one
 * is not on the axis.
 *
 * @param op named in messages
 * @param size of the axis of `shape` that is indexed
 */
export function positions(op: string, indices: Indices, axis: number, shape: Shape): Tensor<'int32'> {
  demandIntegers(op, indices)
  const size = shape[axis]!
  if (size === 0 && sizeOf(indices.shape) > 0) {
    throw new ShapeError(op, `axis ${axis} of ${formatShape(shape)} is empty: no index exists on it`)
  }
  const check: Check = { kind: 'range', what: `${op}: the index`, from: -size, below: size }
  const data = constantData(indices)
  if (data !== undefined) {
    runCheck(check, data, indices.shape)
    const front = Int32Array.from(data as Int32Array, (index) => (Number(index) + size) % size)
    return constantOf(front, indices.shape, 'int32')
  }
  const kept = cast(clamped(indices as Tensor<'int32'>, size), 'int32')
  const front = where<'int32'>(less<'int32'>(kept, 0), add<'int32'>(kept, size), kept)
  return guard(front, indices, check)
}

function clamped(indices: Tensor<'int32'>, size: number): Tensor<'int32'> {
  return minimum<'int32'>(maximum<'int32'>(indices, -size), size - 1)
}

function demandIntegers(op: string, { dtype }: Indices): void {
  if (['int32', 'int64'].includes(dtype)) return
  throw new DTypeError(
    op,
    `indices must be int32 or int64, not ${String(dtype)}; use intTensor(), or cast(x, 'int32')`,
  )
}
