/** @file What sizes a layer can be made with. */
import { BeyondgradError, formatShape, ShapeError, type Tensor } from '@beyondgrad/tensor'

/** Throws `value` unless all are positive integers. */
export function demandPositive(layer: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 1) {
      throw new BeyondgradError('value', `${layer}: ${name} must be a positive integer, not ${value}`)
    }
  }
}

/** Throws `value` unless it is a probability. */
export function demandProbability(layer: string, name: string, value: number): void {
  if (value >= 0 && value <= 1) return
  throw new BeyondgradError('value', `${layer}: ${name} must be between 0 and 1, not ${value}`)
}

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[]

/** The names of spatial axes, and what an input is called in messages. */
const axisNames = { 1: ['L'], 2: ['H', 'W'], 3: ['D', 'H', 'W'] } as const
const sizeNames = { 1: ['length'], 2: ['height', 'width'], 3: ['depth', 'height', 'width'] } as const

/** How many spatial axes a layer has. */
export type SpatialRank = 1 | 2 | 3

/** One number for each spatial axis; throws `value` for lists of another length. */
export function perAxis(layer: string, name: string, value: PerAxis, rank: SpatialRank): readonly number[] {
  const list = typeof value === 'number' ? Array<number>(rank).fill(value) : Array.from(value)
  if (list.length === rank) return list
  throw new BeyondgradError(
    'value',
    `${layer}: ${name} is a number or a list of ${rank}, not [${String(value)}]`,
  )
}

/** A kernel, each of its sizes a positive integer. */
export function kernelOf(layer: string, kernel: PerAxis, rank: SpatialRank): readonly number[] {
  const sizes = perAxis(layer, 'kernel', kernel, rank)
  demandPositive(
    layer,
    Object.fromEntries(sizes.map((size, i) => [`kernel ${sizeNames[rank][i]!}`, size] as const)),
  )
  return sizes
}

/** Throws `shape` unless x is [N, channels, ...spatial]; any number of channels if none is given. */
export function demandImages(layer: string, x: Tensor, rank: SpatialRank, channels?: number): void {
  if (x.shape.length === rank + 2 && (channels === undefined || x.shape[1] === channels)) return
  throw new ShapeError(
    layer,
    `expects [N, ${channels ?? 'C'}, ${axisNames[rank].join(', ')}], got ${formatShape(x.shape)}`,
  )
}
