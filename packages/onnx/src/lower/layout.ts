/**
 * @file Axes in another order than they are stored in. A transpose that was asked for is carried out only if an
 * operator needs the elements in that order; most can work on what is stored and have their result transposed instead,
 * until two transposes meet and cancel. So a whole network runs with its samples last in memory – which ONNX Runtime's
 * kernels like best – although every rule is written for samples first.
 */
import { type Shape, sizeOf } from '@beyondgrad/tensor'

/** Axis i of the value is axis `order[i]` of what is stored. */
export type Order = readonly number[]

export function isIdentity(order: Order): boolean {
  return order.every((axis, i) => axis === i)
}

/** The order of x transposed by `permutation`. */
export function composed(order: Order, permutation: Order): number[] {
  return permutation.map((axis) => order[axis]!)
}

export function inverse(order: Order): number[] {
  const result = new Array<number>(order.length)
  order.forEach((axis, i) => (result[axis] = i))
  return result
}

/** The order that puts the last `count` of `rank` axes first. */
export function lastFirst(rank: number, count: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i < count ? rank - count + i : i - count))
}

/** The order that puts the first `count` of `rank` axes last. */
export function firstLast(rank: number, count: number): number[] {
  return lastFirst(rank, rank - count)
}

/** The order that is left when only the axes `kept` (of the value) remain. */
export function without(order: Order, kept: readonly number[]): number[] {
  const stored = kept.map((axis) => order[axis]!)
  const ranked = stored.toSorted((a, b) => a - b)
  return stored.map((axis) => ranked.indexOf(axis))
}

/** A transpose. */
export interface Turn {
  readonly sizes: readonly number[]
  readonly permutation: Order
}

/**
 * The same transpose with as few axes as possible: those of size 1 left out, and those that stay neighbours made one.
 * ONNX Runtime is many times faster where it sees that a single block of axes moves.
 */
export function merged(
  shape: Shape,
  permutation: Order,
): { readonly sizes: number[]; readonly permutation: number[] } {
  const real = permutation.filter((axis) => shape[axis] !== 1)
  const ranked = real.toSorted((a, b) => a - b)
  const place = new Map(ranked.map((axis, i) => [axis, i]))
  // Blocks of neighbours, in the order of the result.
  const blocks: number[][] = []
  for (const axis of real) {
    const last = blocks.at(-1)
    if (last !== undefined && place.get(last.at(-1)!)! + 1 === place.get(axis)) last.push(axis)
    else blocks.push([axis])
  }
  const stored = blocks.toSorted((a, b) => a[0]! - b[0]!)
  return {
    sizes: stored.map((block) => block.reduce((size, axis) => size * shape[axis]!, 1)),
    permutation: blocks.map((block) => stored.indexOf(block)),
  }
}

/** Elements that are worth copying as a block. */
const longBlock = 16

/**
 * A transpose as one or two that are quick: ONNX Runtime is slow where several axes trade places and the elements of
 * the last one don't stay together. So first that axis is brought to the end, then the others are sorted.
 */
export function inSteps(sizes: readonly number[], permutation: Order): readonly Turn[] {
  const last = permutation.at(-1)!
  const after = sizes.length - 1 - last
  if (sizes.length < 3 || after === 0 || movesOneAxis(permutation) || sizes[last]! < longBlock) {
    return [{ sizes, permutation }]
  }
  const front = sizes.slice(0, last + 1).reduce((a, b) => a * b, 1)
  const back = sizes.slice(last + 1).reduce((a, b) => a * b, 1)
  const order = lastFirst(sizes.length, after)
  return [
    { sizes: [front, back], permutation: [1, 0] },
    { sizes: composed(sizes, order), permutation: permutation.map((axis) => order.indexOf(axis)) },
  ]
}

/** Whether all axes but one stay in order. */
function movesOneAxis(permutation: Order): boolean {
  return permutation.some((_, i) => {
    const rest = permutation.toSpliced(i, 1)
    return rest.every((axis, j) => j === 0 || axis > rest[j - 1]!)
  })
}

export interface Arranged {
  readonly shape: Shape
  readonly order: Order
}

/**
 * A reshape of a value, as a reshape of what is stored: possible where the stored order is two blocks of axes with
 * places exchanged, and the new shape keeps the blocks apart.
 */
export function reshaped(stored: Shape, order: Order, shape: Shape): Arranged | undefined {
  const block = order[0]!
  if (!lastFirst(order.length, order.length - block).every((axis, i) => axis === order[i])) return undefined
  const lead = sizeOf(stored.slice(block))
  let split = 0
  for (let size = 1; size !== lead; split++) {
    if (split === shape.length || size > lead || size === 0) return undefined
    size *= shape[split]!
  }
  if (split === 0 || sizeOf(shape.slice(split)) !== sizeOf(stored.slice(0, block))) return undefined
  return {
    shape: [...shape.slice(split), ...shape.slice(0, split)],
    order: lastFirst(shape.length, split),
  }
}
