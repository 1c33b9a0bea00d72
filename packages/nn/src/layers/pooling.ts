/** @file Pools over one, two and three spatial axes. Names and defaults are PyTorch's. */
import type { Module } from '@beyondgrad/autograd'
import {
  adaptiveAvgPool,
  adaptiveMaxPool,
  avgPool,
  maxPool,
  type PoolOptions as PoolWindow,
  type Tensor,
  type WindowOptions,
} from '@beyondgrad/tensor'
import { moduleOf } from '../module.ts'
import { demandImages, kernelOf, type PerAxis, type SpatialRank } from './sizes.ts'

export interface MaxPoolOptions extends WindowOptions {
  /** Whether a last window that hangs over the end counts, as long as it begins inside. Default: false. */
  readonly ceilMode?: boolean
}

export interface AvgPoolOptions extends Omit<WindowOptions, 'dilation'> {
  /** Whether a last window that hangs over the end counts, as long as it begins inside. Default: false. */
  readonly ceilMode?: boolean
  /** Whether padded zeros count as elements. Default: true. */
  readonly countIncludePad?: boolean
  /** The same as `countIncludePad`, by the name that `avgPool` has for it. */
  readonly countPadding?: boolean
}

export type AvgPool2dOptions = AvgPoolOptions

/** Largest element of each window, [N, C, L] → [N, C, L']; the stride is the window unless given. */
export function MaxPool1d(kernel: PerAxis, options: MaxPoolOptions = {}): Module {
  return largest('MaxPool1d', 1, kernel, options)
}

/** Largest element of each window, [N, C, H, W] → [N, C, H', W']; the stride is the window unless given. */
export function MaxPool2d(kernel: PerAxis, options: MaxPoolOptions = {}): Module {
  return largest('MaxPool2d', 2, kernel, options)
}

/** Largest element of each window, [N, C, D, H, W] → [N, C, D', H', W']; the stride is the window unless given. */
export function MaxPool3d(kernel: PerAxis, options: MaxPoolOptions = {}): Module {
  return largest('MaxPool3d', 3, kernel, options)
}

/** Mean of each window, [N, C, L] → [N, C, L']; the stride is the window unless given. */
export function AvgPool1d(kernel: PerAxis, options: AvgPoolOptions = {}): Module {
  return averaged('AvgPool1d', 1, kernel, options)
}

/** Mean of each window, [N, C, H, W] → [N, C, H', W']; the stride is the window unless given. */
export function AvgPool2d(kernel: PerAxis, options: AvgPoolOptions = {}): Module {
  return averaged('AvgPool2d', 2, kernel, options)
}

/** Mean of each window, [N, C, D, H, W] → [N, C, D', H', W']; the stride is the window unless given. */
export function AvgPool3d(kernel: PerAxis, options: AvgPoolOptions = {}): Module {
  return averaged('AvgPool3d', 3, kernel, options)
}

/** Means of as many windows as asked for, [N, C, L] → [N, C, size]. */
export function AdaptiveAvgPool1d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveAvgPool1d', 1, size, adaptiveAvgPool)
}

/** Means of as many windows as asked for, [N, C, H, W] → [N, C, ...size]. */
export function AdaptiveAvgPool2d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveAvgPool2d', 2, size, adaptiveAvgPool)
}

/** Means of as many windows as asked for, [N, C, D, H, W] → [N, C, ...size]. */
export function AdaptiveAvgPool3d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveAvgPool3d', 3, size, adaptiveAvgPool)
}

/** Maxima of as many windows as asked for, [N, C, L] → [N, C, size]. */
export function AdaptiveMaxPool1d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveMaxPool1d', 1, size, adaptiveMaxPool)
}

/** Maxima of as many windows as asked for, [N, C, H, W] → [N, C, ...size]. */
export function AdaptiveMaxPool2d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveMaxPool2d', 2, size, adaptiveMaxPool)
}

/** Maxima of as many windows as asked for, [N, C, D, H, W] → [N, C, ...size]. */
export function AdaptiveMaxPool3d(size: AdaptiveSize): Module {
  return adaptive('AdaptiveMaxPool3d', 3, size, adaptiveMaxPool)
}

/** Size of the result: one number, or one for each spatial axis, where null keeps the input's. */
export type AdaptiveSize = number | readonly (number | null)[]

function windowed({ ceilMode = false, ...rest }: MaxPoolOptions): PoolWindow {
  return { ...rest, ceil: ceilMode }
}

function largest(layer: string, rank: SpatialRank, kernel: PerAxis, options: MaxPoolOptions): Module {
  const sizes = kernelOf(layer, kernel, rank)
  return moduleOf((x) => {
    demandImages(layer, x, rank)
    return maxPool(x, sizes, windowed(options))
  })
}

function averaged(layer: string, rank: SpatialRank, kernel: PerAxis, options: AvgPoolOptions): Module {
  const sizes = kernelOf(layer, kernel, rank)
  const { countIncludePad, countPadding = countIncludePad ?? true, ...rest } = options
  return moduleOf((x) => {
    demandImages(layer, x, rank)
    return avgPool(x, sizes, { ...windowed(rest), countPadding })
  })
}

function adaptive(
  layer: string,
  rank: SpatialRank,
  size: AdaptiveSize,
  pool: (x: Tensor, size: readonly number[]) => Tensor,
): Module {
  const list = typeof size === 'number' ? Array<number>(rank).fill(size) : size
  kernelOf(
    layer,
    list.map((n) => n ?? 1),
    rank,
  )
  return moduleOf((x) => {
    demandImages(layer, x, rank)
    return pool(
      x,
      list.map((n, i) => n ?? x.shape[i + 2]!),
    )
  })
}
