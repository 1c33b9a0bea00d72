/**
 * @file Pools, channels last. Where the maxima are says a mask for each element of the window. Masks are computed, not
 * compared for: comparisons and selections of the wasm backend stumble over data that no processor can predict.
 */
import { type AnyTensor, type Shape, sizeOf, type Window, windowPositions } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { padAxis, view } from './axes.ts'
import { quotient } from './elementwise.ts'
import type { Rule } from './kernel.ts'
import {
  type AxisWindow,
  axisWindows,
  channelsFirst,
  channelsLast,
  elementsOf,
  image,
  positionsOf,
  reduceWindows,
  sizesOf,
  windowReads,
  windowWrites,
  writesAlong,
} from './window.ts'

const windowOfNode = (node: AnyTensor): Window => node.attributes as unknown as Window

/** The largest element of each window of [N, ...spatial, C], padded with `fill`. */
function maxima(tf: Tf, x: Tensor, axes: readonly AxisWindow[], fill: number): Tensor {
  const plain = axes.length <= 2 && axes.every(({ dilation }) => dilation === 1) && elementsOf(axes) > 1
  if (!plain) return reduceWindows(tf, x, axes, (a, b) => tf.maximum(a, b), fill)
  const padded = axes.reduce((y, { size, kernel, stride, before, positions }, i) => {
    const after = (positions - 1) * stride + kernel - before - size
    return padAxis(tf, y, i + 1, before, after, fill)
  }, x)
  const pair = (list: readonly number[]): [number, number] => [list.length === 1 ? 1 : list[0]!, list.at(-1)!]
  const kernel = pair(axes.map((axis) => axis.kernel))
  const stride = pair(axes.map((axis) => axis.stride))
  const pooled = tf.maxPool(image(tf, padded), kernel, stride, 'valid')
  return view(tf, pooled, [x.shape[0], ...positionsOf(axes), x.shape.at(-1)!])
}

export const maxPool: Rule = (node) => {
  const axes = axisWindows('maxPool', node.inputs[0]!.shape.slice(2), windowOfNode(node))
  return (tf, [x]) => channelsFirst(tf, maxima(tf, channelsLast(tf, x!), axes, -Infinity))
}

/** Twice this factor takes the smallest difference beyond 1. */
const huge = 1e38

/** The padding that masks are made with, since infinities have no difference. */
const lowest = -3.4028234663852886e38

/** For each element of the windows of x, 1 where it is the first largest, else 0: [N × positions, C]. */
function winners(tf: Tf, x: Tensor, axes: readonly AxisWindow[]): Tensor[] {
  const last = channelsLast(tf, x)
  const reads = windowReads(tf, last, axes, lowest)
  const largest = view(tf, maxima(tf, last, axes, lowest), reads[0]!.shape)
  let free: Tensor = tf.ones(largest.shape)
  return reads.map((read) => {
    const below = tf.clipByValue(tf.mul(tf.mul(tf.sub(largest, read), huge), huge), 0, 1)
    const rest = tf.mul(free, below)
    const won = tf.sub(free, rest)
    free = rest
    return won
  })
}

/** The shapes of a max pool's derivative: leading axes, then those of x. */
function derivative(node: AnyTensor): {
  lead: number
  samples: number
  channels: number
  axes: AxisWindow[]
} {
  const x = node.inputs[0]!.shape
  const lead = sizeOf(node.inputs[1]!.shape.slice(0, node.inputs[1]!.shape.length - x.length))
  return {
    lead,
    samples: x[0]!,
    channels: x[1]!,
    axes: axisWindows(node.op.name, x.slice(2), windowOfNode(node)),
  }
}

export const maxPoolVjp: Rule = (node) => {
  const { lead, samples, channels, axes } = derivative(node)
  const rows = samples * sizeOf(positionsOf(axes))
  return (tf, [x, g]) => {
    const won = winners(tf, x!, axes)
    const images = view(tf, g!, [lead * samples, channels, ...positionsOf(axes)])
    const cotangent = view(tf, channelsLast(tf, images), [lead, rows, channels])
    const parts = won.map((mask) => view(tf, tf.mul(cotangent, mask), [lead * rows, channels]))
    return view(tf, channelsFirst(tf, windowWrites(tf, parts, lead * samples, axes)), node.shape)
  }
}

export const maxPoolJvp: Rule = (node) => {
  const { lead, samples, channels, axes } = derivative(node)
  const rows = samples * sizeOf(positionsOf(axes))
  return (tf, [x, t]) => {
    const won = winners(tf, x!, axes)
    const images = view(tf, t!, [lead * samples, channels, ...sizesOf(axes)])
    const reads = windowReads(tf, channelsLast(tf, images), axes)
    const picked = reads.map((read, e) => tf.mul(view(tf, read, [lead, rows, channels]), won[e]!))
    const sum = picked.reduce((a, b) => tf.add(a, b))
    const last = view(tf, sum, [lead * samples, ...positionsOf(axes), channels])
    return view(tf, channelsFirst(tf, last), node.shape)
  }
}

/** What each position divides by, [...positions, 1], or one number for all. */
function divisors(node: AnyTensor, spatial: Shape): number | Float32Array {
  const window = windowOfNode(node)
  if (node.attributes.countPadding as boolean) return sizeOf(window.kernel)
  const positions = windowPositions(node.op.name, spatial, window)
  let counts = [1]
  positions.forEach((count, axis) => {
    const along = Array.from({ length: count }, (_, p) => {
      const first = p * window.stride[axis]! - window.before[axis]!
      const reads = Array.from({ length: window.kernel[axis]! }, (_, k) => first + k * window.dilation[axis]!)
      return reads.filter((at) => at >= 0 && at < spatial[axis]!).length
    })
    counts = counts.flatMap((n) => along.map((m) => n * m))
  })
  return Float32Array.from(counts)
}

/** Divides [N, ...positions, C]. */
function divide(tf: Tf, x: Tensor, by: number | Float32Array): Tensor {
  if (typeof by === 'number') return quotient(tf, x, tf.scalar(by))
  const [samples, channels] = [x.shape[0], x.shape.at(-1)!]
  const three = view(tf, x, [samples, by.length, channels])
  return view(tf, quotient(tf, three, tf.tensor(by, [by.length, 1])), x.shape)
}

export const avgPool: Rule = (node) => {
  const spatial = node.inputs[0]!.shape.slice(2)
  const axes = axisWindows('avgPool', spatial, windowOfNode(node))
  const by = divisors(node, spatial)
  return (tf, [x]) => {
    const sums = reduceWindows(tf, channelsLast(tf, x!), axes, (a, b) => tf.add(a, b))
    return channelsFirst(tf, divide(tf, sums, by))
  }
}

export const avgPoolVjp: Rule = (node) => {
  const spatial = node.shape.slice(2)
  const axes = axisWindows('avgPoolVjp', spatial, windowOfNode(node))
  const by = divisors(node, spatial)
  return (tf, [g]) => {
    const start = divide(tf, channelsLast(tf, g!), by)
    const last = axes.reduce((y, axis, i) => {
      const shape = y.shape
      const three = view(tf, y, [sizeOf(shape.slice(0, i + 1)), axis.positions, sizeOf(shape.slice(i + 2))])
      const written = writesAlong(
        tf,
        Array.from({ length: axis.kernel }, () => three),
        axis,
      )
      return view(tf, written, (shape as number[]).with(i + 1, axis.size))
    }, start)
    return channelsFirst(tf, last)
  }
}
