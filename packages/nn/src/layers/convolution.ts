/** @file Convolutions and their transposes over one, two and three spatial axes. Names, defaults and layouts are PyTorch's. */
import type { Module } from '@beyondgrad/autograd'
import {
  add,
  BeyondgradError,
  conv,
  convTranspose,
  padWith,
  reshape,
  type Tensor,
  type WindowOptions,
} from '@beyondgrad/tensor'
import { affineParameters, type InitializationOptions } from '../initialization.ts'
import { moduleOf } from '../module.ts'
import { demandImages, demandPositive, kernelOf, type PerAxis, perAxis, type SpatialRank } from './sizes.ts'

/** What padding consists of: zeros, a mirror image, the last element over and over, or the other end. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular'

export interface ConvOptions extends Omit<WindowOptions, 'padding'>, InitializationOptions {
  /** Elements around each axis, or [before, after] for every axis; 'same' keeps the size, 'valid' is 0. Default: 0. */
  readonly padding?: WindowOptions['padding'] | 'same' | 'valid'
  /** Default: 'zeros'. */
  readonly paddingMode?: PaddingMode
  /** Channels are split into this many groups that don't see each other. Default: 1. */
  readonly groups?: number
}

export type Conv1dOptions = ConvOptions
export type Conv2dOptions = ConvOptions
export type Conv3dOptions = ConvOptions

export interface ConvTransposeOptions extends WindowOptions, InitializationOptions {
  /** Elements that the result is longer by at the end of each axis. Default: 0. */
  readonly outputPadding?: number | readonly number[]
  /** Default: 1. */
  readonly groups?: number
}

/** [N, inputs, L] → [N, outputs, L']. Parameters: weight [outputs, inputs / groups, k], bias [outputs]. */
export function Conv1d(inputs: number, outputs: number, kernel: PerAxis, options: ConvOptions = {}): Module {
  return convolution('Conv1d', 1, inputs, outputs, kernel, options)
}

/** [N, inputs, H, W] → [N, outputs, H', W']. Parameters: weight [outputs, inputs / groups, kh, kw], bias [outputs]. */
export function Conv2d(inputs: number, outputs: number, kernel: PerAxis, options: ConvOptions = {}): Module {
  return convolution('Conv2d', 2, inputs, outputs, kernel, options)
}

/** [N, inputs, D, H, W] → [N, outputs, D', H', W']. Parameters: weight [outputs, inputs / groups, kd, kh, kw], bias [outputs]. */
export function Conv3d(inputs: number, outputs: number, kernel: PerAxis, options: ConvOptions = {}): Module {
  return convolution('Conv3d', 3, inputs, outputs, kernel, options)
}

/** [N, inputs, L] → [N, outputs, L']. Parameters: weight [inputs, outputs / groups, k], bias [outputs]. */
export function ConvTranspose1d(
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvTransposeOptions = {},
): Module {
  return transposed('ConvTranspose1d', 1, inputs, outputs, kernel, options)
}

/** [N, inputs, H, W] → [N, outputs, H', W']. Parameters: weight [inputs, outputs / groups, kh, kw], bias [outputs]. */
export function ConvTranspose2d(
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvTransposeOptions = {},
): Module {
  return transposed('ConvTranspose2d', 2, inputs, outputs, kernel, options)
}

/** [N, inputs, D, H, W] → [N, outputs, D', H', W']. Parameters: weight [inputs, outputs / groups, kd, kh, kw], bias [outputs]. */
export function ConvTranspose3d(
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvTransposeOptions = {},
): Module {
  return transposed('ConvTranspose3d', 3, inputs, outputs, kernel, options)
}

function demandGroups(layer: string, inputs: number, outputs: number, groups: number): void {
  demandPositive(layer, { inputs, outputs, groups })
  if (inputs % groups === 0 && outputs % groups === 0) return
  throw new BeyondgradError(
    'value',
    `${layer}: ${groups} groups must divide both ${inputs} inputs and ${outputs} outputs`,
  )
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1)

/** A vector with an entry for each channel, to be added to [N, C, ...spatial]. */
const perChannel = (x: Tensor, rank: SpatialRank): Tensor =>
  reshape(x, [x.shape[0]!, ...Array<number>(rank).fill(1)])

function convolution(
  layer: string,
  rank: SpatialRank,
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvOptions,
): Module {
  const { groups = 1, stride, dilation = 1, paddingMode = 'zeros' } = options
  demandGroups(layer, inputs, outputs, groups)
  const sizes = kernelOf(layer, kernel, rank)
  const padding = sidesOf(layer, sizes, options, rank)
  const modes = { reflect: 'reflect', replicate: 'edge', circular: 'circular' } as const
  if (paddingMode !== 'zeros' && !(paddingMode in modes)) {
    throw new BeyondgradError(
      'value',
      `${layer}: paddingMode is zeros, reflect, replicate or circular, not "${paddingMode as string}"`,
    )
  }
  const fans = { in: (inputs / groups) * product(sizes), out: (outputs / groups) * product(sizes) }
  const { weight, bias } = affineParameters([outputs, inputs / groups, ...sizes], fans, options)
  const forward = (x: Tensor): Tensor => {
    demandImages(layer, x, rank, inputs)
    const padded =
      paddingMode === 'zeros'
        ? x
        : padWith(
            x,
            [0, 0, ...padding.map(([before]) => before)],
            [0, 0, ...padding.map(([, after]) => after)],
            modes[paddingMode],
          )
    const z = conv(padded, weight.value, {
      groups,
      stride,
      dilation,
      padding: paddingMode === 'zeros' ? padding : 0,
    })
    return bias === undefined ? z : add(z, perChannel(bias.value, rank))
  }
  return moduleOf(forward, bias === undefined ? [weight] : [weight, bias])
}

/** What is put before and after each axis. */
function sidesOf(
  layer: string,
  kernel: readonly number[],
  { padding = 0, stride = 1, dilation = 1 }: ConvOptions,
  rank: SpatialRank,
): readonly (readonly [number, number])[] {
  if (padding === 'valid') return kernel.map(() => [0, 0])
  if (padding === 'same') {
    if (perAxis(layer, 'stride', stride, rank).some((step) => step !== 1)) {
      throw new BeyondgradError(
        'value',
        `${layer}: padding "same" needs stride 1, not [${String(stride)}]; give the padding in numbers`,
      )
    }
    const apart = perAxis(layer, 'dilation', dilation, rank)
    // An odd element goes to the end, as in PyTorch.
    return kernel.map((size, i) => {
      const total = apart[i]! * (size - 1)
      return [Math.floor(total / 2), Math.ceil(total / 2)]
    })
  }
  const sides = typeof padding === 'number' ? kernel.map(() => padding) : padding
  if (!Array.isArray(sides) || sides.length !== rank) {
    throw new BeyondgradError(
      'value',
      `${layer}: padding is a number, a list of ${rank}, "same" or "valid", not ${JSON.stringify(padding)}`,
    )
  }
  return sides.map((side: number | readonly [number, number]) =>
    typeof side === 'number' ? [side, side] : side,
  )
}

function transposed(
  layer: string,
  rank: SpatialRank,
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvTransposeOptions,
): Module {
  const { groups = 1, stride, padding, dilation, outputPadding } = options
  demandGroups(layer, inputs, outputs, groups)
  const sizes = kernelOf(layer, kernel, rank)
  // PyTorch counts the second axis of the weight as what comes in, whichever way the layer works.
  const fans = { in: (outputs / groups) * product(sizes), out: (inputs / groups) * product(sizes) }
  const { weight, bias } = affineParameters([inputs, outputs / groups, ...sizes], fans, options, outputs)
  const forward = (x: Tensor): Tensor => {
    demandImages(layer, x, rank, inputs)
    const z = convTranspose(x, weight.value, {
      groups,
      ...(stride !== undefined && { stride }),
      ...(padding !== undefined && { padding }),
      ...(dilation !== undefined && { dilation }),
      ...(outputPadding !== undefined && { outputPadding }),
    })
    return bias === undefined ? z : add(z, perChannel(bias.value, rank))
  }
  return moduleOf(forward, bias === undefined ? [weight] : [weight, bias])
}
