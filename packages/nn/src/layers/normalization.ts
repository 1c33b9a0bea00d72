/** @file Layers that normalise within each sample. Names, defaults and layouts are PyTorch's. */
import { type Module, type Parameter, parameter } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  formatShape,
  mul,
  reshape,
  ShapeError,
  sizeOf,
  sqrt,
  type Tensor,
} from '@beyondgrad/tensor'
import { allOnes, allZeros } from '../initialization.ts'
import { moduleOf } from '../module.ts'
import { demandPositive } from './sizes.ts'

export interface NormOptions {
  /** Added to the variance. Default: 10⁻⁵. */
  readonly eps?: number
  /** Whether there are parameters, weight and bias. Default: true. */
  readonly affine?: boolean
}

export interface LayerNormOptions {
  /** Added to the variance. Default: 10⁻⁵. */
  readonly eps?: number
  /** Whether there are parameters. Default: true. */
  readonly elementwiseAffine?: boolean
  /** Whether there is a bias among them. Default: true. */
  readonly bias?: boolean
}

const noFans = { in: 1, out: 1 }
const noSource = { seed: 0, stream: '' }

/** A scale that starts as ones and a shift that starts as zeros. */
export function scaleAndShift(
  shape: readonly number[],
  affine: boolean,
  bias = true,
): { readonly weight?: Parameter; readonly bias?: Parameter; readonly list: readonly Parameter[] } {
  if (!affine) return { list: [] }
  const weight = parameter('weight', allOnes(shape, noFans, noSource))
  if (!bias) return { weight, list: [weight] }
  const shift = parameter('bias', allZeros(shape, noFans, noSource))
  return { weight, bias: shift, list: [weight, shift] }
}

/** (x − mean) / √(variance + ε) over some axes, with the variance that divides by their number of elements. */
export function standardized(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const centred = x.sub(x.mean(axes, { keep: true }))
  return centred.div(sqrt(centred.square().mean(axes, { keep: true }).add(eps)))
}

/** x · weight + bias, both in a shape that broadcasts. */
export function affineOf(
  x: Tensor,
  { weight, bias }: { readonly weight?: Parameter; readonly bias?: Parameter },
  as: (value: Tensor) => Tensor,
): Tensor {
  const scaled = weight === undefined ? x : mul(x, as(weight.value))
  return bias === undefined ? scaled : scaled.add(as(bias.value))
}

/** The last axes of x, as many as `shape` has, which must be it. */
function trailing(layer: string, x: Tensor, shape: readonly number[]): number[] {
  const start = x.shape.length - shape.length
  if (start < 1 || shape.some((size, i) => x.shape[start + i] !== size)) {
    throw new ShapeError(layer, `expects [N, ..., ${shape.join(', ')}], got ${formatShape(x.shape)}`)
  }
  return shape.map((_, i) => start + i)
}

/**
 * Mean 0 and variance 1 over the last axes of each sample, then scale and shift (Ba et al. 2016).
 *
 * @param shape sizes of the last axes, or the size of the last. Parameters: weight, bias, both of this shape
 */
export function LayerNorm(shape: number | readonly number[], options: LayerNormOptions = {}): Module {
  const { eps = 1e-5, elementwiseAffine = true, bias = true } = options
  const sizes = typeof shape === 'number' ? [shape] : shape
  demandPositive('LayerNorm', Object.fromEntries(sizes.map((size, i) => [`shape[${i}]`, size])))
  const parameters = scaleAndShift(sizes, elementwiseAffine, bias)
  return moduleOf(
    (x) => affineOf(standardized(x, trailing('LayerNorm', x, sizes), eps), parameters, (value) => value),
    parameters.list,
  )
}

export interface RMSNormOptions {
  /** Added to the mean square. Default: the distance from 1 to the next single-precision number, as in PyTorch. */
  readonly eps?: number
  /** Whether there is a weight. Default: true. */
  readonly elementwiseAffine?: boolean
}

/** Root mean square 1 over the last axes of each sample, then scale (Zhang & Sennrich 2019). Parameter: weight. */
export function RMSNorm(shape: number | readonly number[], options: RMSNormOptions = {}): Module {
  const { eps = 2 ** -23, elementwiseAffine = true } = options
  const sizes = typeof shape === 'number' ? [shape] : shape
  demandPositive('RMSNorm', Object.fromEntries(sizes.map((size, i) => [`shape[${i}]`, size])))
  const parameters = scaleAndShift(sizes, elementwiseAffine, false)
  return moduleOf((x) => {
    const axes = trailing('RMSNorm', x, sizes)
    const root = sqrt(x.square().mean(axes, { keep: true }).add(eps))
    return affineOf(x.div(root), parameters, (value) => value)
  }, parameters.list)
}

/** Mean 0 and variance 1 over each group of channels (Wu & He 2018): [N, channels, ...]. Parameters: weight, bias [channels]. */
export function GroupNorm(groups: number, channels: number, options: NormOptions = {}): Module {
  const { eps = 1e-5, affine = true } = options
  demandPositive('GroupNorm', { groups, channels })
  if (channels % groups !== 0) {
    throw new BeyondgradError('value', `GroupNorm: ${groups} groups must divide ${channels} channels`)
  }
  const parameters = scaleAndShift([channels], affine)
  return moduleOf((x) => {
    demandChannels('GroupNorm', x, channels)
    const [samples = 0, , ...spatial] = x.shape
    const grouped = reshape(x, [samples, groups, (channels / groups) * sizeOf(spatial)])
    return affineOf(reshape(standardized(grouped, [2], eps), x.shape), parameters, byChannel(x))
  }, parameters.list)
}

export interface InstanceNormOptions {
  /** Added to the variance. Default: 10⁻⁵. */
  readonly eps?: number
  /** Whether there are parameters, weight and bias. Default: false, as in PyTorch. */
  readonly affine?: boolean
}

/** Mean 0 and variance 1 over the length of each channel: [N, channels, L]. */
export function InstanceNorm1d(channels: number, options: InstanceNormOptions = {}): Module {
  return instanceNorm('InstanceNorm1d', channels, 3, options)
}

/** Mean 0 and variance 1 over the area of each channel: [N, channels, H, W]. */
export function InstanceNorm2d(channels: number, options: InstanceNormOptions = {}): Module {
  return instanceNorm('InstanceNorm2d', channels, 4, options)
}

/** Mean 0 and variance 1 over the volume of each channel: [N, channels, D, H, W]. */
export function InstanceNorm3d(channels: number, options: InstanceNormOptions = {}): Module {
  return instanceNorm('InstanceNorm3d', channels, 5, options)
}

function instanceNorm(layer: string, channels: number, rank: number, options: InstanceNormOptions): Module {
  const { eps = 1e-5, affine = false } = options
  demandPositive(layer, { channels })
  const parameters = scaleAndShift([channels], affine)
  return moduleOf((x) => {
    demandChannels(layer, x, channels, [rank])
    const axes = x.shape.map((_, axis) => axis).slice(2)
    return affineOf(standardized(x, axes, eps), parameters, byChannel(x))
  }, parameters.list)
}

/** Turns a vector with an entry for each channel into a shape that broadcasts with x. */
export const byChannel =
  (x: Tensor) =>
  (value: Tensor): Tensor =>
    reshape(value, [value.shape[0]!, ...x.shape.slice(2).map(() => 1)])

/** Throws `shape` unless x is [N, channels, ...] with one of the given numbers of axes. */
export function demandChannels(layer: string, x: Tensor, channels: number, ranks?: readonly number[]): void {
  const rank = x.shape.length
  if (rank >= 2 && x.shape[1] === channels && (ranks?.includes(rank) ?? true)) return
  const rest = ['', ', L', ', H, W', ', D, H, W']
  const wanted = (ranks ?? []).map((r) => `[N, ${channels}${rest[r - 2]!}]`)
  throw new ShapeError(
    layer,
    `expects ${wanted.length > 0 ? wanted.join(' or ') : `[N, ${channels}, ...]`}, got ${formatShape(x.shape)}`,
  )
}
