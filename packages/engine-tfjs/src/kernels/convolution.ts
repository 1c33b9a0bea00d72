/**
 * @file Convolution and its partners. With one group and at most two spatial axes each is one `conv2d`, which the wasm
 * backend is quick at: of the input with the weight, of the cotangent with the mirrored weight, of the input with the
 * cotangent. All else is products of unfolded windows with the weight, group by group.
 */
import { type AnyTensor, type Convolution, type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { concatAxis, padAxis, sliceAxis, view } from './axes.ts'
import { product } from './contract.ts'
import type { Rule } from './kernel.ts'
import { permute } from './movement.ts'
import {
  type AxisWindow,
  axisWindows,
  channelsFirst,
  channelsLast,
  elementsOf,
  foldLast,
  image,
  positionsOf,
  sizesOf,
  unfoldLast,
} from './window.ts'

/** The sizes of a convolution. */
interface Geometry {
  readonly samples: number
  readonly groups: number
  /** Channels of a group. */
  readonly inner: number
  readonly outer: number
  readonly axes: readonly AxisWindow[]
  /** Whether `conv2d` can do it. */
  readonly simple: boolean
}

/** @param z shape of the result of a convolution of x */
function geometryOf(node: AnyTensor, x: Shape, z: Shape): Geometry {
  const window = node.attributes as unknown as Convolution
  const { groups } = window
  const axes = axisWindows(node.op.name, x.slice(2), window)
  // TensorFlow.js wants either all strides or all dilations to be 1.
  const regular = axes.every(({ stride }) => stride === 1) || axes.every(({ dilation }) => dilation === 1)
  return {
    samples: x[0]!,
    groups,
    inner: x[1]! / groups,
    outer: z[1]! / groups,
    axes,
    simple: groups === 1 && axes.length <= 2 && regular,
  }
}

/** A pair for the two axes of `conv2d`; a missing one is 1. */
const pair = (numbers: readonly number[]): [number, number] =>
  numbers.length === 1 ? [1, numbers[0]!] : [numbers[0]!, numbers[1]!]

/** [A, B, ...spatial] → [...spatial, B, A], with two spatial axes. */
function filter(tf: Tf, w: Tensor, order: readonly [number, number] = [1, 0]): Tensor4D {
  const spatial = w.shape.map((_, axis) => axis).slice(2)
  const last = permute(tf, w, [...spatial, ...order])
  return view(tf, last, last.shape.length === 4 ? last.shape : [1, ...last.shape]) as Tensor4D
}

/** Adds to or takes from both ends of every spatial axis of [N, ...spatial, C]. */
function padSpatial(tf: Tf, x: Tensor, amounts: readonly (readonly [number, number])[]): Tensor {
  return amounts.reduce((y, [before, after], i) => padAxis(tf, y, i + 1, before, after), x)
}

/** What windows reach of the padded input along an axis. */
const used = ({ kernel, stride, dilation, positions }: AxisWindow): number =>
  (positions - 1) * stride + (kernel - 1) * dilation + 1

const exactly = (axes: readonly AxisWindow[]): [number, number][] =>
  axes.map((axis) => [axis.before, used(axis) - axis.before - axis.size])

const strides = (axes: readonly AxisWindow[]): [number, number] => pair(axes.map(({ stride }) => stride))
const dilations = (axes: readonly AxisWindow[]): [number, number] =>
  pair(axes.map(({ dilation }) => dilation))

/** [A, B] → [B, A], where A may be a whole group of axes. */
const flip = (tf: Tf, x: Tensor, rows: number, columns: number): Tensor =>
  permute(tf, view(tf, x, [rows, columns]), [1, 0])

/** Channels of one group of [rows, groups, channels], as [rows, channels]. */
function group(tf: Tf, x: Tensor, rows: number, groups: number, channels: number, at: number): Tensor {
  const part = sliceAxis(tf, view(tf, x, [rows, groups, channels]), 1, at, 1)
  return view(tf, part, [rows, channels])
}

/** The weight [O, I, ...kernel] of each group as a matrix [elements × I, O]. */
function matrices(tf: Tf, w: Tensor, { groups, inner, outer, axes }: Geometry): Tensor[] {
  const elements = elementsOf(axes)
  return Array.from({ length: groups }, (_, at) => {
    const own = view(tf, sliceAxis(tf, w, 0, at * outer, outer), [outer, inner, elements])
    return view(tf, permute(tf, own, [2, 1, 0]), [elements * inner, outer])
  })
}

/** All windows of one group, as [N × positions, elements × I]. */
function windows(tf: Tf, unfolded: Tensor, { groups, inner, axes }: Geometry, at: number): Tensor {
  const [rows, elements] = [unfolded.shape[0], elementsOf(axes)]
  return view(tf, group(tf, unfolded, rows * elements, groups, inner, at), [rows, elements * inner])
}

export const conv: Rule = (node) => {
  const geometry = geometryOf(node, node.inputs[0]!.shape, node.shape)
  const { samples, groups, outer, axes } = geometry
  const last = [samples, ...positionsOf(axes), groups * outer]
  if (geometry.simple) {
    return (tf, [x, w]) => {
      const padded = image(tf, padSpatial(tf, channelsLast(tf, x!), exactly(axes)))
      const z = tf.conv2d(padded, filter(tf, w!), strides(axes), 'valid', 'NHWC', dilations(axes))
      return channelsFirst(tf, view(tf, z, last))
    }
  }
  return (tf, [x, w]) => {
    const unfolded = unfoldLast(tf, channelsLast(tf, x!), axes)
    const parts = matrices(tf, w!, geometry).map((matrix, at) =>
      product(tf, windows(tf, unfolded, geometry, at), matrix),
    )
    return channelsFirst(tf, view(tf, concatAxis(tf, parts, 1), last))
  }
}

export const convInput: Rule = (node) => {
  const geometry = geometryOf(node, node.shape, node.inputs[0]!.shape)
  const { samples, groups, inner, outer, axes } = geometry
  const places = sizeOf(positionsOf(axes))
  if (geometry.simple) {
    // Where windows step, the cotangent gets zeros in between; every element of x then meets the mirrored weight.
    const amounts = axes.map(({ kernel, stride, dilation, positions, before, size }): [number, number] => {
      const first = (kernel - 1) * dilation - before
      return [first, size + before - positions * stride]
    })
    const last = [samples, ...sizesOf(axes), inner]
    return (tf, [g, w]) => {
      const spread = axes.reduce(
        (y, { stride, positions }, i) => {
          if (stride === 1) return y
          const [before, after] = [sizeOf(y.shape.slice(0, i + 2)), sizeOf(y.shape.slice(i + 2))]
          const rows = padAxis(tf, view(tf, y, [before, 1, after]), 1, 0, stride - 1)
          return view(tf, rows, (y.shape as number[]).with(i + 1, positions * stride))
        },
        channelsLast(tf, g!),
      )
      const mirrored = tf.reverse(filter(tf, w!, [0, 1]), [0, 1])
      const padded = image(tf, padSpatial(tf, spread, amounts))
      const x = tf.conv2d(padded, mirrored, 1, 'valid', 'NHWC', dilations(axes))
      return channelsFirst(tf, view(tf, x, last))
    }
  }
  const elements = elementsOf(axes)
  const rows = samples * places
  return (tf, [g, w]) => {
    const cotangent = view(tf, channelsLast(tf, g!), [rows, groups * outer])
    const parts = matrices(tf, w!, geometry).map((matrix, at) => {
      const own = group(tf, cotangent, rows, groups, outer, at)
      const made = product(tf, own, flip(tf, matrix, elements * inner, outer))
      return view(tf, made, [rows * elements, inner])
    })
    const unfolded = view(tf, concatAxis(tf, parts, 1), [rows, elements, groups * inner])
    return channelsFirst(tf, foldLast(tf, unfolded, samples, axes))
  }
}

export const convWeight: Rule = (node) => {
  const geometry = geometryOf(node, node.inputs[0]!.shape, node.inputs[1]!.shape)
  const { samples, groups, inner, outer, axes } = geometry
  if (geometry.simple) {
    return (tf, [x, g]) => {
      // Channels are the samples of this convolution, samples its channels.
      const first = x!.shape.map((_, axis) => axis)
      const planes = permute(tf, x!, [1, ...first.slice(2), 0])
      const padded = image(tf, padSpatial(tf, planes, exactly(axes)))
      const made = tf.conv2d(padded, filter(tf, g!, [0, 1]), dilations(axes), 'valid', 'NHWC', strides(axes))
      const last = view(tf, made, [inner, elementsOf(axes), outer])
      return view(tf, permute(tf, last, [2, 0, 1]), node.shape)
    }
  }
  const rows = samples * sizeOf(positionsOf(axes))
  const elements = elementsOf(axes)
  return (tf, [x, g]) => {
    const unfolded = unfoldLast(tf, channelsLast(tf, x!), axes)
    const cotangent = view(tf, channelsLast(tf, g!), [rows, groups * outer])
    const parts = Array.from({ length: groups }, (_, at) => {
      const columns = flip(tf, windows(tf, unfolded, geometry, at), rows, elements * inner)
      const made = product(tf, columns, group(tf, cotangent, rows, groups, outer, at))
      return permute(tf, view(tf, made, [elements, inner, outer]), [2, 1, 0])
    })
    return view(tf, concatAxis(tf, parts, 0), node.shape)
  }
}
