/** @file Layers. Names, defaults and layouts are PyTorch's. */
import type { Module } from '@beyondgrad/autograd'
import {
  add,
  avgPool,
  BeyondgradError,
  conv,
  formatShape,
  matmul,
  maxPool,
  relu,
  reshape,
  ShapeError,
  sigmoid,
  sizeOf,
  type Tensor,
  tanh,
  transpose,
  type WindowOptions,
} from '@beyondgrad/tensor'
import { affineParameters, type InitializationOptions } from './initialization.ts'
import { moduleOf } from './module.ts'

function positive(layer: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 1) {
      throw new BeyondgradError('value', `${layer}: ${name} must be a positive integer, not ${value}`)
    }
  }
}

/** y = x Wᵀ + b on the last axis: [..., inputs] → [..., outputs]. Parameters: weight [outputs, inputs], bias [outputs]. */
export function Linear(inputs: number, outputs: number, options: InitializationOptions = {}): Module {
  positive('Linear', { inputs, outputs })
  const { weight, bias } = affineParameters([outputs, inputs], { in: inputs, out: outputs }, options)
  const forward = (x: Tensor): Tensor => {
    if (x.shape.length < 2 || x.shape.at(-1) !== inputs) {
      throw new ShapeError(
        'Linear',
        `expects [N, ..., ${inputs}], got ${formatShape(x.shape)}; is a Flatten() missing before it?`,
      )
    }
    const product = matmul(x, transpose(weight.value))
    return bias === undefined ? product : add(product, bias.value)
  }
  return moduleOf(forward, bias === undefined ? [weight] : [weight, bias])
}

export interface Conv2dOptions extends WindowOptions, InitializationOptions {
  /** Channels are split into this many groups that don't see each other. Default: 1. */
  readonly groups?: number
}

const pair = (size: number | readonly [number, number]): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size

/**
 * Convolution over images: [N, inputs, H, W] → [N, outputs, H', W'].
 * Parameters: weight [outputs, inputs / groups, kh, kw], bias [outputs].
 */
export function Conv2d(
  inputs: number,
  outputs: number,
  kernel: number | readonly [number, number],
  options: Conv2dOptions = {},
): Module {
  const { groups = 1, stride, padding, dilation } = options
  const [height, width] = pair(kernel)
  positive('Conv2d', { inputs, outputs, groups, 'kernel height': height, 'kernel width': width })
  if (inputs % groups !== 0 || outputs % groups !== 0) {
    throw new BeyondgradError(
      'value',
      `Conv2d: ${groups} groups must divide both ${inputs} inputs and ${outputs} outputs`,
    )
  }
  const area = height * width
  const fans = { in: (inputs / groups) * area, out: (outputs / groups) * area }
  const { weight, bias } = affineParameters([outputs, inputs / groups, height, width], fans, options)
  const forward = (x: Tensor): Tensor => {
    if (x.shape.length !== 4 || x.shape[1] !== inputs) {
      throw new ShapeError('Conv2d', `expects [N, ${inputs}, H, W], got ${formatShape(x.shape)}`)
    }
    const z = conv(x, weight.value, { groups, stride, padding, dilation })
    return bias === undefined ? z : add(z, reshape(bias.value, [outputs, 1, 1]))
  }
  return moduleOf(forward, bias === undefined ? [weight] : [weight, bias])
}

/** Largest element of each window, [N, C, H, W] → [N, C, H', W']; the stride is the window unless given. */
export function MaxPool2d(kernel: number | readonly [number, number], options: WindowOptions = {}): Module {
  return moduleOf((x) => maxPool(x, pair(kernel), options))
}

export interface AvgPool2dOptions extends WindowOptions {
  /** Whether padded zeros count as elements. Default: true. */
  readonly countPadding?: boolean
}

/** Mean of each window, [N, C, H, W] → [N, C, H', W']; the stride is the window unless given. */
export function AvgPool2d(
  kernel: number | readonly [number, number],
  options: AvgPool2dOptions = {},
): Module {
  return moduleOf((x) => avgPool(x, pair(kernel), options))
}

/** Merges the axes from `start` (default 1) on: [N, C, H, W] → [N, C·H·W]. */
export function Flatten(start = 1): Module {
  return moduleOf((x) => {
    if (start >= x.shape.length) return x
    return reshape(x, [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))])
  })
}

/** max(x, 0) */
export function ReLU(): Module {
  return moduleOf(relu)
}

/** 1 / (1 + e⁻ˣ) */
export function Sigmoid(): Module {
  return moduleOf(sigmoid)
}

/** (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) */
export function Tanh(): Module {
  return moduleOf(tanh)
}
