/** @file Layers that put something around the spatial axes; negative amounts cut off. */
import type { Module } from '@beyondgrad/autograd'
import { BeyondgradError, type PadMode, padWith } from '@beyondgrad/tensor'
import { moduleOf } from '../module.ts'
import { demandImages, type SpatialRank } from './sizes.ts'

/** One number for all sides, or [before, after] of the last axis, then of the one before it, and so on, as in PyTorch. */
export type Padding = number | readonly number[]

/** Zeros around [N, C, L]. */
export function ZeroPad1d(padding: Padding): Module {
  return padded('ZeroPad1d', 1, padding, 'constant')
}

/** Zeros around [N, C, H, W]; padding [left, right, top, bottom]. */
export function ZeroPad2d(padding: Padding): Module {
  return padded('ZeroPad2d', 2, padding, 'constant')
}

/** Zeros around [N, C, D, H, W]; padding [left, right, top, bottom, front, back]. */
export function ZeroPad3d(padding: Padding): Module {
  return padded('ZeroPad3d', 3, padding, 'constant')
}

/** One number around [N, C, L]. */
export function ConstantPad1d(padding: Padding, value: number): Module {
  return padded('ConstantPad1d', 1, padding, 'constant', value)
}

/** One number around [N, C, H, W]. */
export function ConstantPad2d(padding: Padding, value: number): Module {
  return padded('ConstantPad2d', 2, padding, 'constant', value)
}

/** One number around [N, C, D, H, W]. */
export function ConstantPad3d(padding: Padding, value: number): Module {
  return padded('ConstantPad3d', 3, padding, 'constant', value)
}

/** The mirror image around [N, C, L], the last element not repeated. */
export function ReflectionPad1d(padding: Padding): Module {
  return padded('ReflectionPad1d', 1, padding, 'reflect')
}

/** The mirror image around [N, C, H, W]. */
export function ReflectionPad2d(padding: Padding): Module {
  return padded('ReflectionPad2d', 2, padding, 'reflect')
}

/** The mirror image around [N, C, D, H, W]. */
export function ReflectionPad3d(padding: Padding): Module {
  return padded('ReflectionPad3d', 3, padding, 'reflect')
}

/** The last element over and over around [N, C, L]. */
export function ReplicationPad1d(padding: Padding): Module {
  return padded('ReplicationPad1d', 1, padding, 'edge')
}

/** The last element over and over around [N, C, H, W]. */
export function ReplicationPad2d(padding: Padding): Module {
  return padded('ReplicationPad2d', 2, padding, 'edge')
}

/** The last element over and over around [N, C, D, H, W]. */
export function ReplicationPad3d(padding: Padding): Module {
  return padded('ReplicationPad3d', 3, padding, 'edge')
}

/** What is at the other end around [N, C, L]. */
export function CircularPad1d(padding: Padding): Module {
  return padded('CircularPad1d', 1, padding, 'circular')
}

/** What is at the other end around [N, C, H, W]. */
export function CircularPad2d(padding: Padding): Module {
  return padded('CircularPad2d', 2, padding, 'circular')
}

/** What is at the other end around [N, C, D, H, W]. */
export function CircularPad3d(padding: Padding): Module {
  return padded('CircularPad3d', 3, padding, 'circular')
}

function padded(layer: string, rank: SpatialRank, padding: Padding, mode: PadMode, value = 0): Module {
  const sides = typeof padding === 'number' ? Array<number>(2 * rank).fill(padding) : padding
  if (!Array.isArray(sides) || sides.length !== 2 * rank || !sides.every(Number.isInteger)) {
    throw new BeyondgradError(
      'value',
      `${layer}: padding is an integer or a list of ${2 * rank}, last axis first, not [${String(padding)}]`,
    )
  }
  const axes = Array.from({ length: rank }, (_, i) => rank - 1 - i)
  const before = [0, 0, ...axes.map((axis) => sides[2 * axis] as number)]
  const after = [0, 0, ...axes.map((axis) => sides[2 * axis + 1] as number)]
  return moduleOf((x) => {
    demandImages(layer, x, rank)
    return padWith(x, before, after, mode, value)
  })
}
