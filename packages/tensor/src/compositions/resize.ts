/**
 * @file Resampling of axes: every element of the result is a weighted sum of a few of the source (its taps), one axis after
 * the other. Where the taps lie depends on shapes alone.
 */
import { BeyondgradError, ShapeError } from '../errors.ts'
import { constantOf } from '../leaf.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { mul } from '../ops/elementwise.ts'
import { gatherAt } from '../ops/gather.ts'
import { checkList, checkShape, formatShape, normalizeAxis } from '../shape.ts'
import { repeatInterleave } from './arrange.ts'

/** How elements between those of the source are made. */
export type ResizeMode = 'nearest' | 'linear' | 'cubic'

/**
 * Which position x of the source is at position i of the result, for sizes n and m: `half-pixel` (i + ½) n/m − ½, what
 * PyTorch and images mean; `align-corners` i (n − 1)/(m − 1); `asymmetric` i n/m.
 */
export type ResizeCoordinates = 'half-pixel' | 'align-corners' | 'asymmetric'

/** Which neighbour is nearest. PyTorch's "nearest" is 'floor' with 'asymmetric', its "nearest-exact" the default. */
export type ResizeRounding = 'floor' | 'ceil' | 'round-down' | 'round-up'

export interface ResizeOptions {
  /** Default: 'nearest'. */
  readonly mode?: ResizeMode
  /** Default: 'half-pixel'. */
  readonly coordinates?: ResizeCoordinates
  /** For 'nearest'; 'round-down' takes the lower of two that are equally near. Default: 'round-down'. */
  readonly rounding?: ResizeRounding
  /** Coefficient of the cubic kernel. Default: −0.75, as PyTorch. */
  readonly cubic?: number
  /** Which axes are meant. Default: the last ones, as many as there are sizes. */
  readonly axes?: readonly number[]
}

/** Elements of the source and their weights, for each element of the result. */
interface Taps {
  readonly indices: readonly number[]
  readonly weights: readonly number[]
}

/**
 * x with some axes resampled to other sizes, as PyTorch's `interpolate` and ONNX's Resize do it.
 *
 * @param sizes of the axes in the result, each at least 1
 */
export function resize(x: Tensor, sizes: readonly number[], options: ResizeOptions = {}): Tensor {
  demandTensors('resize', x)
  checkShape('resize', sizes)
  const {
    mode = 'nearest',
    coordinates = 'half-pixel',
    rounding = 'round-down',
    cubic = -0.75,
  } = options ?? {}
  const rank = x.shape.length
  const axes = options?.axes ?? sizes.map((_, i) => rank - sizes.length + i)
  checkList('resize', 'axes', axes)
  if (sizes.length > rank || axes.length !== sizes.length) {
    throw new ShapeError('resize', `${sizes.length} sizes for ${axes.length} axes of ${formatShape(x.shape)}`)
  }
  return sizes.reduce((y, size, i) => {
    const axis = normalizeAxis('resize', axes[i]!, rank)
    const from = y.shape[axis]!
    if (!Number.isInteger(size) || size < 1 || from === 0) {
      throw new ShapeError('resize', `axis ${axis} of ${formatShape(x.shape)} can't be resized to ${size}`)
    }
    const position = positionOf(coordinates, from, size)
    const at = Array.from({ length: size }, (_, p) => position(p))
    if (mode === 'nearest') {
      const nearest = at.map((p) => Math.min(Math.max(rounded(rounding, p), 0), from - 1))
      return taken(y, axis, nearest)
    }
    return resample(y, axis, mode === 'linear' ? linearTaps(at, from) : cubicTaps(at, from, cubic))
  }, x)
}

function positionOf(coordinates: ResizeCoordinates, from: number, to: number): (i: number) => number {
  const scale = from / to
  switch (coordinates) {
    case 'half-pixel':
      return (i) => (i + 0.5) * scale - 0.5
    case 'align-corners':
      return (i) => (to === 1 ? 0 : (i * (from - 1)) / (to - 1))
    case 'asymmetric':
      return (i) => i * scale
    default:
      throw new BeyondgradError(
        'value',
        `resize: there are no coordinates "${String(coordinates)}"; use half-pixel, align-corners or asymmetric`,
      )
  }
}

function rounded(rounding: ResizeRounding, x: number): number {
  switch (rounding) {
    case 'floor':
      return Math.floor(x)
    case 'ceil':
      return Math.ceil(x)
    case 'round-down':
      return Math.ceil(x - 0.5)
    case 'round-up':
      return Math.floor(x + 0.5)
    default:
      throw new BeyondgradError(
        'value',
        `resize: there is no rounding "${String(rounding)}"; use floor, ceil, round-down or round-up`,
      )
  }
}

/** Elements of an axis; every one the same number of times in a row needs no index. */
function taken(x: Tensor, axis: number, indices: readonly number[]): Tensor {
  const size = x.shape[axis]!
  const times = indices.length / size
  if (Number.isInteger(times) && indices.every((index, i) => index === Math.floor(i / times))) {
    return times === 1 ? x : repeatInterleave(x, times, axis)
  }
  return gatherAt(x, constantOf(Int32Array.from(indices), [indices.length], 'int32'), axis)
}

/** Σ over taps of weight · element, along one axis. */
function resample(x: Tensor, axis: number, taps: readonly Taps[]): Tensor {
  const behind = x.shape.slice(axis + 1).map(() => 1)
  const parts = taps.flatMap(({ indices, weights }) => {
    if (weights.every((w) => w === 0)) return []
    const part = taken(x, axis, indices)
    if (weights.every((w) => w === 1)) return [part]
    return [mul(part, constantOf(Float64Array.from(weights), [weights.length, ...behind], 'float32'))]
  })
  return parts.reduce((a, b) => a.add(b))
}

const clamp = (i: number, size: number): number => Math.min(Math.max(i, 0), size - 1)

/** Two neighbours; beyond the ends the last element stays. */
function linearTaps(at: readonly number[], size: number): Taps[] {
  const inside = at.map((x) => Math.min(Math.max(x, 0), size - 1))
  const lower = inside.map(Math.floor)
  const share = inside.map((x, i) => x - lower[i]!)
  return [
    { indices: lower, weights: share.map((s) => 1 - s) },
    { indices: lower.map((i) => clamp(i + 1, size)), weights: share },
  ]
}

/** Four neighbours (Keys, "Cubic convolution interpolation for digital image processing", 1981), clamped at the ends. */
function cubicTaps(at: readonly number[], size: number, a: number): Taps[] {
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1
  const far = (d: number): number => (((d - 5) * d + 8) * d - 4) * a
  return [-1, 0, 1, 2].map((offset) => ({
    indices: at.map((x) => clamp(Math.floor(x) + offset, size)),
    weights: at.map((x) => {
      const distance = Math.abs(x - Math.floor(x) - offset)
      return distance <= 1 ? near(distance) : distance < 2 ? far(distance) : 0
    }),
  }))
}
