/** @file A small seeded generator, so that every check can be repeated from the number that its message names. */
import { type Shape, sizeOf, tensor, type Tensor } from '@beyondgrad/tensor'

/** Random choices; the same seed gives the same ones. */
export interface Numbers {
  /** Uniform in [0, 1). */
  next(): number
  /** One of 0, …, below - 1. */
  integer(below: number): number
  /** From `least` to `most`, both included. */
  between(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly [T, ...T[]] | readonly T[]): T
}

/** Tommy Ettinger's mulberry32: 32 bits of state are plenty for choosing test cases. */
export function numbers(seed: number): Numbers {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const integer = (below: number): number => Math.floor(next() * below)
  return {
    next,
    integer,
    between: (least, most) => least + integer(most - least + 1),
    chance: (probability) => next() < probability,
    pick: (from) => from[integer(from.length)]!,
  }
}

/** Uniform numbers in (-scale, scale) that single precision represents exactly. */
export function randomTensor(shape: Shape, random: Numbers, scale = 1.5): Tensor {
  const data = Float32Array.from({ length: sizeOf(shape) }, () => (2 * random.next() - 1) * scale)
  return tensor(data, { shape, dtype: 'float32' })
}
