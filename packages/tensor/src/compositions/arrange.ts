/** @file Rearrangements made of movement primitives. */
import type { DType } from '../dtype.ts'
import { ShapeError } from '../errors.ts'
import { constantOf } from '../leaf.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { where } from '../ops/elementwise.ts'
import { concat, expand, reshape, slice, transpose, unsqueeze } from '../ops/movement.ts'
import { checkList, checkShape, formatShape, normalizeAxes, normalizeAxis, sizeOf } from '../shape.ts'

/** Removes axes of size 1: the named ones, or all. */
export function squeeze<D extends DType>(x: Tensor<D>, axes?: readonly number[]): Tensor<D> {
  demandTensors('squeeze', x)
  const rank = x.shape.length
  const gone = axes === undefined ? undefined : normalizeAxes('squeeze', axes, rank)
  const wide = gone?.find((axis) => x.shape[axis] !== 1)
  if (wide !== undefined) {
    throw new ShapeError(
      'squeeze',
      `axis ${wide} of ${formatShape(x.shape)} has size ${x.shape[wide]}, not 1`,
    )
  }
  return reshape(
    x,
    x.shape.filter((d, axis) => (gone === undefined ? d !== 1 : !gone.includes(axis))),
  )
}

/** One axis of all from `start` to `end` (both included, negative ones count from the end). Default: all axes. */
export function flatten<D extends DType>(x: Tensor<D>, start = 0, end = -1): Tensor<D> {
  demandTensors('flatten', x)
  const rank = x.shape.length
  if (rank === 0) return reshape(x, [1])
  const [from, to] = [normalizeAxis('flatten', start, rank), normalizeAxis('flatten', end, rank)]
  if (from > to)
    throw new ShapeError('flatten', `axis ${start} comes after axis ${end} in ${formatShape(x.shape)}`)
  return reshape(x, [
    ...x.shape.slice(0, from),
    sizeOf(x.shape.slice(from, to + 1)),
    ...x.shape.slice(to + 1),
  ])
}

/**
 * Cuts an axis into parts.
 *
 * @param sizes the parts' sizes, which add up to the axis; or how many parts of equal size there are
 */
export function split<D extends DType>(
  x: Tensor<D>,
  sizes: number | readonly number[],
  axis = 0,
): Tensor<D>[] {
  demandTensors('split', x)
  const at = normalizeAxis('split', axis, x.shape.length)
  const size = x.shape[at]!
  if (typeof sizes === 'number' && (!Number.isInteger(sizes) || sizes < 1 || size % sizes !== 0)) {
    throw new ShapeError(
      'split',
      `axis ${axis} of ${formatShape(x.shape)} does not fall into ${sizes} equal parts; give the sizes of the parts`,
    )
  }
  if (typeof sizes === 'number') checkShape('split', [sizes])
  const parts = typeof sizes === 'number' ? Array<number>(sizes).fill(size / sizes) : sizes
  checkList('split', 'sizes', parts)
  const total = parts.reduce((sum, part) => sum + part, 0)
  if (total !== size || parts.some((part) => !Number.isInteger(part) || part < 0)) {
    throw new ShapeError(
      'split',
      `parts of sizes [${parts.join(', ')}] do not make up axis ${axis} of ${formatShape(x.shape)}`,
    )
  }
  let start = 0
  return parts.map((part) => {
    start += part
    return slice(x, at, start - part, start)
  })
}

/** Moves axes to other places, the rest keeping its order, as NumPy's `moveaxis`. */
export function moveAxes<D extends DType>(
  x: Tensor<D>,
  from: readonly number[],
  to: readonly number[],
): Tensor<D> {
  demandTensors('moveAxes', x)
  checkList('moveAxes', 'axes', from)
  checkList('moveAxes', 'axes', to)
  const rank = x.shape.length
  const sources = from.map((axis) => normalizeAxis('moveAxes', axis, rank))
  const targets = to.map((axis) => normalizeAxis('moveAxes', axis, rank))
  if (sources.length !== targets.length || new Set(targets).size !== targets.length) {
    throw new ShapeError('moveAxes', `axes [${from.join(', ')}] do not move to [${to.join(', ')}] one to one`)
  }
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !sources.includes(axis))
  const order = x.shape.map((_, axis) => {
    const moved = targets.indexOf(axis)
    return moved === -1 ? rest.shift()! : sources[moved]!
  })
  return transpose(x, order)
}

function checkRepeats(op: string, repeats: readonly number[]): void {
  if (repeats.every((n) => Number.isInteger(n) && n >= 0)) return
  throw new ShapeError(op, `repeats [${repeats.join(', ')}] must be non-negative integers`)
}

/** The whole tensor side by side, `repeats[i]` times along axis i, as NumPy's `tile`. */
export function tile<D extends DType>(x: Tensor<D>, repeats: readonly number[]): Tensor<D> {
  demandTensors('tile', x)
  checkList('tile', 'repeats', repeats)
  checkRepeats('tile', repeats)
  const rank = Math.max(x.shape.length, repeats.length)
  const shape = [...Array<number>(rank - x.shape.length).fill(1), ...x.shape]
  const times = [...Array<number>(rank - repeats.length).fill(1), ...repeats]
  // Repeats come before the axis that they repeat; where nothing is repeated no axis is needed.
  const open = shape.flatMap((d, i) => (times[i] === 1 ? [d] : [1, d]))
  const full = shape.flatMap((d, i) => (times[i] === 1 ? [d] : [times[i]!, d]))
  return reshape(
    expand(reshape(x, open), full),
    shape.map((d, i) => d * times[i]!),
  )
}

/** Every element of an axis `repeats` times in a row. */
export function repeatInterleave<D extends DType>(x: Tensor<D>, repeats: number, axis: number): Tensor<D> {
  demandTensors('repeatInterleave', x)
  checkRepeats('repeatInterleave', [repeats])
  const at = normalizeAxis('repeatInterleave', axis, x.shape.length)
  const [before, size, after] = [x.shape.slice(0, at), x.shape[at]!, x.shape.slice(at + 1)]
  const open = expand(unsqueeze(x, [at + 1]), [...before, size, repeats, ...after])
  return reshape(open, [...before, size * repeats, ...after])
}

/** Shifts an axis by `shift` places; what leaves at one end comes back at the other. */
export function roll<D extends DType>(x: Tensor<D>, shift: number, axis: number): Tensor<D> {
  demandTensors('roll', x)
  const at = normalizeAxis('roll', axis, x.shape.length)
  const size = x.shape[at]!
  if (!Number.isInteger(shift)) throw new ShapeError('roll', `shift ${shift} is not an integer`)
  const by = size === 0 ? 0 : ((shift % size) + size) % size
  return by === 0 ? x : concat([slice(x, at, size - by), slice(x, at, 0, size - by)], at)
}

/**
 * The elements (i, i + offset) of the last two axes: [..., m, n] → [..., k].
 *
 * Rows laid end to end have the diagonal n + 1 apart, so it is a slice.
 */
export function diagonal<D extends DType>(x: Tensor<D>, offset = 0): Tensor<D> {
  demandTensors('diagonal', x)
  if (x.shape.length < 2) {
    throw new ShapeError('diagonal', `${formatShape(x.shape)} has no two axes to take a diagonal of`)
  }
  const lead = x.shape.slice(0, -2)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  const [row, column] = [Math.max(0, -offset), Math.max(0, offset)]
  const count = Math.max(0, Math.min(rows - row, columns - column))
  if (count === 0) return reshape(slice(slice(x, -2, 0, 0), -1, 0, 1), [...lead, 0])
  const flat = reshape(x, [...lead, rows * columns])
  const start = row * columns + column
  return slice(flat, -1, start, start + (count - 1) * (columns + 1) + 1, columns + 1)
}

/** A diagonal matrix for every vector on the last axis: [..., n] → [..., n, n]. */
export function diagonalMatrix(x: Tensor): Tensor {
  demandTensors('diagonalMatrix', x)
  if (x.shape.length === 0)
    throw new ShapeError('diagonalMatrix', 'a scalar has no axis to put on a diagonal')
  const size = x.shape.at(-1)!
  return where(
    triangle(size, size, (row, column) => row === column),
    unsqueeze(x, [-1]),
    0,
  )
}

function triangle(
  rows: number,
  columns: number,
  keeps: (row: number, column: number) => boolean,
): Tensor<'bool'> {
  const data = new Uint8Array(rows * columns)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[i * columns + j] = keeps(i, j) ? 1 : 0
  return constantOf(data, [rows, columns], 'bool')
}

function masked<D extends DType>(
  op: string,
  x: Tensor<D>,
  keeps: (row: number, column: number) => boolean,
): Tensor<D> {
  demandTensors(op, x)
  if (x.shape.length < 2)
    throw new ShapeError(op, `${formatShape(x.shape)} is not a matrix, nor a batch of them`)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  return where<D>(triangle(rows, columns, keeps), x, 0)
}

/** The lower triangle of the last two axes, zeros above diagonal `k` (0: the main one, 1: the one above it). */
export function tril<D extends DType>(x: Tensor<D>, k = 0): Tensor<D> {
  return masked('tril', x, (row, column) => column - row <= k)
}

/** The upper triangle of the last two axes, zeros below diagonal `k`. */
export function triu<D extends DType>(x: Tensor<D>, k = 0): Tensor<D> {
  return masked('triu', x, (row, column) => column - row >= k)
}
