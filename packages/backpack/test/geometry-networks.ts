/**
 * @file Small networks around one convolution of any geometry: axes, groups, strides, dilations, paddings that differ by axis and side
 * and what they consist of, forward or transposed.
 */
import type { Module } from '@beyondgrad/autograd'
import {
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  Flatten,
  Linear,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  moduleOf,
  type PaddingMode,
  ReLU,
  Sequential,
  Sigmoid,
  Tanh,
} from '@beyondgrad/nn'
import { sizeOf, type Tensor } from '@beyondgrad/tensor'
import type { MonteCarloDefinition, Problem } from '@beyondgrad/testing'
import fc from 'fast-check'
import { classifier, type Network, regression, weight } from './network.ts'

export type Rank = 1 | 2 | 3

/** One number, or pair, for each spatial axis. */
interface Axis {
  readonly size: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly padding: readonly [number, number]
  /** At the end of the result, of a transposed convolution. */
  readonly outputPadding: number
}

export interface Geometry {
  readonly transposed: boolean
  readonly inputs: number
  readonly outputs: number
  readonly groups: number
  readonly paddingMode: PaddingMode
  readonly axes: readonly Axis[]
}

const modes: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular']

/** What a convolution can be, for tables of tests. */
export const kinds: readonly {
  readonly name: string
  readonly rank: Rank
  readonly paddingMode?: PaddingMode
  readonly transposed?: boolean
}[] = ([1, 2, 3] as const).flatMap((rank) => [
  ...modes.map((paddingMode) => ({ name: `${rank}-d, padding mode ${paddingMode}`, rank, paddingMode })),
  { name: `${rank}-d, transposed`, rank, transposed: true },
])

/** What is around the convolution. */
export interface Surroundings {
  readonly activation: 'tanh' | 'sigmoid' | 'relu'
  readonly pool: 'none' | 'average' | 'maximum'
  readonly loss: NonNullable<Network['draws']>
  readonly reduction: 'mean' | 'sum'
  readonly samples: number
}

/** Positions of the convolution's result along an axis. */
function positionsOf({ transposed }: Geometry, axis: Axis): number {
  const { size, kernel, stride, dilation, padding, outputPadding } = axis
  const reach = dilation * (kernel - 1)
  const padded = padding[0] + padding[1]
  if (transposed) return (size - 1) * stride - padded + reach + 1 + outputPadding
  return Math.floor((size + padded - reach - 1) / stride) + 1
}

export const resultSize = (geometry: Geometry): number[] =>
  geometry.axes.map((axis) => positionsOf(geometry, axis))

const upTo = (max: number, min = 0): fc.Arbitrary<number> => fc.integer({ min, max })

/** How large the input must be at least for its padding. */
function leastSize(mode: PaddingMode, [before, after]: readonly [number, number]): number {
  const most = Math.max(before, after)
  return mode === 'reflect' ? most + 1 : mode === 'circular' ? Math.max(1, most) : 1
}

function axisOf(rank: Rank, transposed: boolean, mode: PaddingMode, largest: number): fc.Arbitrary<Axis> {
  return fc
    .record({
      positions: upTo(largest, 1),
      kernel: upTo(rank === 1 ? 3 : 2, 1),
      stride: upTo(3, 1),
      dilation: upTo(2, 1),
      padding: fc.tuple(upTo(2), upTo(2)),
      extra: upTo(2),
    })
    .map(({ positions, kernel, stride, dilation, padding, extra }) => {
      const reach = dilation * (kernel - 1)
      const rest = Math.min(extra, stride - 1)
      if (!transposed) {
        // What the stride leaves over at the end is seen by no window.
        const size = (positions - 1) * stride + reach + 1 + rest - padding[0] - padding[1]
        return {
          size: Math.max(size, leastSize(mode, padding)),
          kernel,
          stride,
          dilation,
          padding,
          outputPadding: 0,
        }
      }
      const whole = (positions - 1) * stride + reach + rest
      const before = Math.min(padding[0], whole)
      const after = Math.min(padding[1], whole - before)
      return {
        size: positions,
        kernel,
        stride,
        dilation,
        padding: [before, after] as const,
        outputPadding: rest,
      }
    })
}

/** Dense blocks are as large as the square of the weight. */
const largestWeight = 40
const largestResult = 48

/** Geometries; `largest` bounds the positions along an axis. */
export function geometries(
  rank: Rank,
  {
    transposed = false,
    paddingMode = 'zeros',
    largest = rank === 1 ? 4 : rank === 2 ? 3 : 2,
  }: {
    readonly transposed?: boolean
    readonly paddingMode?: PaddingMode
    readonly largest?: number
  } = {},
): fc.Arbitrary<Geometry> {
  const channels = fc.constantFrom(
    ...[
      [1, 2, 1],
      [2, 2, 1],
      [3, 2, 1],
      [2, 4, 2],
      [4, 2, 2],
      [2, 2, 2],
      [4, 4, 4],
      [3, 3, 3],
    ],
  ) as fc.Arbitrary<[number, number, number]>
  const axis = axisOf(rank, transposed, paddingMode, largest)
  return fc
    .record({ channels, axes: fc.array(axis, { minLength: rank, maxLength: rank }) })
    .map(({ channels: [inputs, outputs, groups], axes }) => ({
      transposed,
      inputs,
      outputs,
      groups,
      paddingMode,
      axes,
    }))
    .filter((geometry) => {
      const weights = (geometry.inputs * geometry.outputs * kernelSize(geometry)) / geometry.groups
      const result = geometry.outputs * sizeOf(resultSize(geometry))
      return weights <= largestWeight && result <= largestResult
    })
}

const kernelSize = ({ axes }: Geometry): number => sizeOf(axes.map(({ kernel }) => kernel))

export function surroundings(samples: readonly number[] = [1, 2, 3]): fc.Arbitrary<Surroundings> {
  return fc.record({
    activation: fc.constantFrom('tanh', 'sigmoid', 'relu'),
    pool: fc.constantFrom('none', 'average', 'maximum'),
    loss: fc.constantFrom('cross-entropy', 'mse', 'bce-with-logits'),
    reduction: fc.constantFrom('mean', 'sum'),
    samples: fc.constantFrom(...samples),
  })
}

/** A weight, and the network before and after the result of its layer. */
export interface WeightedLayer {
  /** Name of the weight. */
  readonly name: string
  readonly upTo: (x: Tensor) => Tensor
  readonly from: (z: Tensor) => Tensor
  readonly groups: number
  readonly transposed: boolean
}

export interface GeometryNetwork {
  readonly problem: Problem
  /** How its loss draws. */
  readonly draws: Pick<MonteCarloDefinition, 'loss' | 'factor'>
  readonly layers: readonly WeightedLayer[]
}

const activations = { tanh: Tanh, sigmoid: Sigmoid, relu: ReLU }
const pools = {
  average: { 1: AvgPool1d, 2: AvgPool2d, 3: AvgPool3d },
  maximum: { 1: MaxPool1d, 2: MaxPool2d, 3: MaxPool3d },
}
const forward = { 1: Conv1d, 2: Conv2d, 3: Conv3d }
const backward = { 1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d }

function layerOf(geometry: Geometry): Module {
  const { transposed, inputs, outputs, groups, paddingMode, axes } = geometry
  const rank = axes.length as Rank
  const kernel = axes.map((axis) => axis.kernel)
  const options = {
    groups,
    stride: axes.map(({ stride }) => stride),
    dilation: axes.map(({ dilation }) => dilation),
    padding: axes.map(({ padding }) => padding),
    seed: 1,
  }
  return transposed
    ? backward[rank](inputs, outputs, kernel, {
        ...options,
        outputPadding: axes.map(({ outputPadding }) => outputPadding),
      })
    : forward[rank](inputs, outputs, kernel, { ...options, paddingMode })
}

/** A scale for each channel, tanh, the convolution, an activation, perhaps pooling, a linear map to few outputs. */
export function geometryNetwork(geometry: Geometry, around: Surroundings): GeometryNetwork {
  const { inputs, outputs, groups, transposed, axes } = geometry
  const rank = axes.length as Rank
  const spatial = axes.map(({ size }) => size)
  const results = resultSize(geometry)
  const window = results.map((size) => Math.min(2, size))
  const features =
    outputs * sizeOf(around.pool === 'none' ? results : results.map((size, i) => size - window[i]! + 1))
  const classes = around.loss === 'cross-entropy' ? 3 : 2

  const scale = weight('scale', [inputs, ...axes.map(() => 1)], 1)
  const before = moduleOf((x: Tensor) => x.mul(scale.value).tanh(), [scale])
  const layer = layerOf(geometry)
  const between = Sequential(
    activations[around.activation](),
    ...(around.pool === 'none' ? [] : [pools[around.pool][rank](window, { stride: 1 })]),
    Flatten(),
  )
  const head = Linear(features, classes, { seed: 2 })
  const model = Sequential({ before, layer, between, head })
  const options = { reduction: around.reduction }
  const { problem, factor = 1 } =
    around.loss === 'cross-entropy'
      ? classifier('', [inputs, ...spatial], classes, () => model, options)
      : regression('', [inputs, ...spatial], [classes], () => model, {
          ...options,
          logistic: around.loss === 'bce-with-logits',
        })
  return {
    problem: problem(around.samples),
    draws: { loss: around.loss, factor },
    layers: [
      {
        name: 'layer.weight',
        upTo: (x) => layer(before(x)),
        from: (z) => head(between(z)),
        groups,
        transposed,
      },
      { name: 'head.weight', upTo: (x) => model(x), from: (z) => z, groups: 1, transposed: false },
    ],
  }
}
