/** @file Shapes: sizes, strides, broadcasting, axes. A shape is a list of non-negative integers. */
import { ShapeError } from './errors.ts'

export type Shape = readonly number[]

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const d of shape) size *= d
  return size
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** `[2, 3]` as it appears in messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** The shape that two operands broadcast to (NumPy's rule); names `op`, both shapes and the axis otherwise. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length)
  const shape = new Array<number>(rank)
  for (let i = 0; i < rank; i++) {
    const da = i < rank - a.length ? 1 : a[i - rank + a.length]!
    const db = i < rank - b.length ? 1 : b[i - rank + b.length]!
    if (da !== db && da !== 1 && db !== 1) {
      throw new ShapeError(
        op,
        `cannot broadcast ${formatShape(a)} with ${formatShape(b)}: axis ${i - rank} has sizes ${da} and ${db}`,
      )
    }
    shape[i] = da === 1 ? db : da
  }
  return shape
}

/** An axis counted from the front; negative ones count from the end. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const at = Number.isInteger(axis) ? (axis < 0 ? axis + rank : axis) : -1
  if (at < 0 || at >= rank) {
    throw new ShapeError(op, `axis ${shown(axis)} does not exist in a tensor of rank ${rank}`)
  }
  return at
}

/** Axes counted from the front, ascending, without doubles; all axes when none are named. */
export function normalizeAxes(op: string, axes: readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i)
  checkList(op, 'axes', axes)
  const list = axes.map((axis) => normalizeAxis(op, axis, rank))
  if (new Set(list).size !== list.length) {
    throw new ShapeError(op, `axes [${axes.join(', ')}] name an axis twice`)
  }
  return list.sort((a, b) => a - b)
}

/** Numbers and words as they are; other things have no short name. */
function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  return typeof value === 'object' ? 'an object' : typeof value
}

/** Throws unless a list was given; plain JavaScript may bring anything. */
export function checkList(op: string, what: string, list: unknown): void {
  if (Array.isArray(list)) return
  throw new ShapeError(op, `${what} must be a list of integers such as [2, 3], not ${shown(list)}`)
}

/** Throws unless every entry is a size, and the elements can be counted. */
export function checkShape(op: string, shape: Shape): void {
  checkList(op, 'a shape', shape)
  // Not `for of` or `every`: lists from plain JavaScript have holes.
  for (let i = 0; i < shape.length; i++) {
    if (!Number.isInteger(shape[i]) || shape[i]! < 0) {
      throw new ShapeError(op, `${formatShape(shape)} is not a shape: sizes are non-negative integers`)
    }
  }
  checkExtent(op, shape)
}

/** Indices into a tensor are 32 bits wide, here and in the engines. */
const mostElements = 2 ** 31 - 1

/** Throws where a tensor would have more elements than engines can count. */
export function checkExtent(op: string, shape: Shape): void {
  let size = 1
  let longest = 0
  for (let i = 0; i < shape.length; i++) {
    size *= shape[i]!
    if (shape[i]! > longest) longest = shape[i]!
  }
  if (size <= mostElements && longest <= mostElements) return
  throw new ShapeError(
    op,
    `a tensor of shape ${formatShape(shape)} is too big: neither its elements nor an axis may be more than 2³¹ - 1`,
  )
}
