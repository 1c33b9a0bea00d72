/** @file What the generator of random graphs knows of an op: how to apply it to something that is there already. */
import { concat, reshape, type Shape, sizeOf, slice, type Tensor } from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'

/** Tensors that a graph may be continued from. */
export interface Pool {
  /** What the op is applied to first: the newest tensor, or any. */
  readonly first: readonly Tensor[]
  readonly tensors: readonly Tensor[]
  /** Those that are the same numbers in every precision: leaves, and what only moves or selects them. */
  readonly exact: readonly Tensor[]
  /** What weights and other operands of a demanded shape are made of. */
  readonly weights: readonly Tensor[]
  /** Tensors may have so many elements. */
  readonly largest: number
}

/** Applies an op in a random way; undefined where nothing in the pool fits. */
export type Apply = (pool: Pool, random: Numbers) => Tensor | undefined

export interface Operation {
  readonly apply: Apply
  /** The result of exact operands is exact. */
  readonly exact?: boolean
}

/** One of the tensors that fit. */
export function pick(
  from: readonly Tensor[],
  random: Numbers,
  fits: (x: Tensor) => boolean = () => true,
): Tensor | undefined {
  const found = from.filter(fits)
  return found.length === 0 ? undefined : random.pick(found)
}

export const isFilled = (x: Tensor): boolean => sizeOf(x.shape) > 0

/** An operand of the demanded shape, made of the pool's weights: cut off, or repeated as often as necessary. */
export function fitted(pool: Pool, random: Numbers, shape: Shape): Tensor | undefined {
  const size = sizeOf(shape)
  if (size > pool.largest) return undefined
  const source = pick(pool.weights, random, (x) => isFilled(x))
  if (source === undefined) return undefined
  const flat = reshape(source, [-1])
  const copies = Math.max(1, Math.ceil(size / flat.shape[0]!))
  const long = concat(Array<Tensor>(copies).fill(flat), 0)
  return reshape(slice(long, 0, 0, size), shape)
}

/** Whether two shapes broadcast, and to how many elements; undefined if they don't. */
export function broadcastSize(a: Shape, b: Shape): number | undefined {
  const rank = Math.max(a.length, b.length)
  let size = 1
  for (let i = 1; i <= rank; i++) {
    const [x, y] = [a.at(-i) ?? 1, b.at(-i) ?? 1]
    if (i > a.length) size *= y
    else if (i > b.length) size *= x
    else if (x === y || y === 1) size *= x
    else if (x === 1) size *= y
    else return undefined
  }
  return size
}
