/** @file Weights of convolutions and of transposed ones: one side is unfolded into its windows. */
import {
  type Convolution,
  convolutionAttribute,
  flip,
  padWith,
  reshape,
  sizeOf,
  type Tensor,
  transpose,
  transposeLast,
  unfold,
} from '@beyondgrad/tensor'
import { dilate } from '../rules/structural.ts'
import { shift } from './boundary-axes.ts'
import type { Boundary, Layout } from './layout.ts'

/** [V?, outer·N·inner, channels, positions] → [V?, N, G, channels / G, outer·inner·positions]. */
function byGroup(x: Tensor, at: Boundary, groups: number, lead: number): Tensor {
  const [channels, positions] = x.shape.slice(lead + 1) as [number, number]
  const head = x.shape.slice(0, lead)
  const { outer, inner } = at.label
  if (outer === 1 && inner === 1)
    return reshape(x, [...head, at.samples, groups, channels / groups, positions])
  const open = reshape(x, [...head, outer, at.samples, inner, groups, channels / groups, positions])
  const order = [1, 3, 4, 0, 2, 5].map((i) => i + lead)
  return reshape(transpose(open, [...head.map((_, i) => i), ...order]), [
    ...head,
    at.samples,
    groups,
    channels / groups,
    outer * inner * positions,
  ])
}

const geometryOnly = ({
  kernel,
  stride,
  before,
  after,
  dilation,
}: Convolution): Omit<Convolution, 'groups'> => ({ kernel, stride, before, after, dilation })

/** [V?, S, C, ...spatial] → [V?, S, C, P]. */
const flatPositions = (x: Tensor, lead: number): Tensor =>
  reshape(x, [...x.shape.slice(0, lead + 2), sizeOf(x.shape.slice(lead + 2))])

/** z = conv(x, W): the input is unfolded into its windows. */
export function convolutionWeight(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x, weight] = at.node.inputs as [Tensor, Tensor]
  const geometry = convolutionAttribute(at.node.attributes)
  const { groups } = geometry
  const lead = shift(columns)
  const windows = unfold(x, geometryOnly(geometry))
  const [out, ...inner] = weight.shape as [number, ...number[]]
  const rowsOut = (y: Tensor): Tensor => reshape(y, [groups, out / groups, sizeOf(inner)])
  return {
    factors: {
      kind: 'outer',
      cotangent: byGroup(flatPositions(cotangent, lead), at, groups, lead),
      input: byGroup(windows, at, groups, 0),
    },
    fromOperand: rowsOut,
    toOperand: (result, ahead) => reshape(result, [...result.shape.slice(0, ahead), ...weight.shape]),
    // Another number of groups is another layout.
    key: 2 + 8 * groups,
  }
}

/** z = convInput(x, W), the transposed convolution: the cotangent is unfolded, and x has a value at each position. */
export function transposedConvolutionWeight(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x, weight] = at.node.inputs as [Tensor, Tensor]
  const geometry = convolutionAttribute(at.node.attributes)
  const { groups } = geometry
  const lead = shift(columns)
  const planes = cotangent.shape.slice(lead + 1)
  const windows = unfold(reshape(cotangent, [-1, ...planes]), geometryOnly(geometry))
  const open = reshape(windows, [...cotangent.shape.slice(0, lead + 1), ...windows.shape.slice(1)])
  const [out, ...inner] = weight.shape as [number, ...number[]]
  // [O, C / G, ...kernel] ↔ [G, C / G · K, O / G]
  const windowsOut = (y: Tensor): Tensor => transposeLast(reshape(y, [groups, out / groups, sizeOf(inner)]))
  return {
    factors: {
      kind: 'outer',
      cotangent: byGroup(open, at, groups, lead),
      input: byGroup(flatPositions(x, 0), at, groups, 0),
    },
    fromOperand: windowsOut,
    toOperand: (result, ahead) =>
      reshape(transposeLast(result), [...result.shape.slice(0, ahead), ...weight.shape]),
    kronecker: () => ({
      factors: {
        kind: 'outer',
        cotangent: byGroup(flatPositions(cotangent, lead), at, groups, lead),
        input: byGroup(spreadWindows(x, geometry, planes.slice(1)), at, groups, 0),
      },
      // [G, C / G, O / G · K]
      toOperand: (result, ahead) => {
        const head = result.shape.slice(0, ahead)
        const split = reshape(result, [...head, groups, inner[0]!, out / groups, sizeOf(inner.slice(1))])
        const order = [0, 2, 1, 3].map((i) => ahead + i)
        return reshape(transpose(split, [...head.map((_, i) => i), ...order]), [...head, ...weight.shape])
      },
    }),
    key: 5 + 8 * groups,
  }
}

/**
 * What every element of the result of a transposed convolution is made of, [S, O · K, spatial]: the elements of x that
 * reach it, by channel and element of the kernel. Its product with the weight [O · K, C] is the result.
 */
function spreadWindows(x: Tensor, geometry: Convolution, spatial: readonly number[]): Tensor {
  const { kernel, stride, dilation, before } = geometry
  const apart = stride.reduce((y, step, i) => dilate(y, i + 2, step), x)
  // Element k of the kernel reaches stride · q + dilation · k − before: seen from there, the kernel runs backward.
  const reach = kernel.map((size, i) => dilation[i]! * (size - 1))
  const head = reach.map((r, i) => r - before[i]!)
  const tail = spatial.map((size, i) => size - apart.shape[i + 2]! - head[i]! + reach[i]!)
  const around = padWith(apart, [0, 0, ...head], [0, 0, ...tail], 'constant')
  const none = kernel.map(() => 0)
  const windows = unfold(around, { kernel, stride: kernel.map(() => 1), dilation, before: none, after: none })
  const [samples, channels] = x.shape as [number, number]
  const open = reshape(windows, [samples, channels, ...kernel, sizeOf(spatial)])
  const backward = flip(
    open,
    kernel.map((_, i) => i + 2),
  )
  return reshape(backward, windows.shape)
}
