/**
 * @file Pools. Max pooling selects: `maxPoolVjp` adds a cotangent to where each maximum came from, `maxPoolJvp`
 * reads a tangent there, and both take any number of leading axes before the samples. The first maximum in
 * row-major order is the one that counts.
 */
import { ShapeError } from '../errors.ts'
import { constantOf } from '../leaf.ts'
import { demandTensors, type AnyTensor, build, type Tensor } from '../node.ts'
import type { Attributes, Op } from '../op.ts'
import { checkShape, formatShape, sameShape, type Shape, sizeOf } from '../shape.ts'
import { mul } from './elementwise.ts'
import {
  planes,
  type Window,
  windowAttribute,
  windowIndex,
  type WindowOptions,
  windowOf,
  windowPositions,
} from './window.ts'
import { checkWindow, demandFloats } from './window-operands.ts'

function pooled(op: string, x: AnyTensor, attributes: Attributes): number[] {
  const window = windowAttribute(attributes)
  demandFloats(op, [x])
  const [n, c, spatial] = planes(op, x.shape, window.kernel.length)
  return [n, c, ...windowPositions(op, spatial, window)]
}

/** Flat index into its plane of each window's first maximum; -1 if all of it is padding. */
function firstMaxima(data: ArrayLike<number>, shape: Shape, window: Window): Int32Array {
  const spatial = shape.slice(2)
  const positions = windowPositions('maxPool', spatial, window)
  const index = windowIndex(spatial, positions, window)
  const elements = sizeOf(window.kernel)
  const places = sizeOf(positions)
  const plane = sizeOf(spatial)
  const rows = shape[0]! * shape[1]!
  const winners = new Int32Array(rows * places)
  for (let row = 0; row < rows; row++) {
    for (let p = 0; p < places; p++) {
      let best = -1
      for (let e = 0; e < elements; e++) {
        const from = index[p * elements + e]!
        if (from < 0) continue
        if (best < 0 || data[row * plane + from]! > data[row * plane + best]!) best = from
      }
      winners[row * places + p] = best
    }
  }
  return winners
}

const maxPoolOp: Op = {
  name: 'maxPool',
  family: 'window',
  infer: ([x], attributes) => ({ shape: pooled('maxPool', x!, attributes), dtype: x!.dtype }),
  kernel: ([x], attributes, output) => {
    const winners = firstMaxima(x!.data as Float64Array, x!.shape, windowAttribute(attributes))
    const places = sizeOf(output.shape.slice(2))
    const plane = sizeOf(x!.shape.slice(2))
    return Float64Array.from(winners, (from, i) =>
      from < 0 ? -Infinity : (x!.data[Math.floor(i / places) * plane + from] as number),
    )
  },
}

/** Leading axes that `inner` has before the shape it must end with. */
function leading(op: string, inner: Shape, end: Shape): Shape {
  const lead = inner.slice(0, inner.length - end.length)
  if (inner.length < end.length || !sameShape(inner.slice(lead.length), end)) {
    throw new ShapeError(op, `expects a shape that ends with ${formatShape(end)}, got ${formatShape(inner)}`)
  }
  return lead
}

const maxPoolVjpOp: Op = {
  name: 'maxPoolVjp',
  family: 'window',
  infer: ([x, g], attributes) => ({
    shape: [...leading('maxPoolVjp', g!.shape, pooled('maxPoolVjp', x!, attributes)), ...x!.shape],
    dtype: g!.dtype,
  }),
  kernel: ([x, g], attributes, output) => {
    const winners = firstMaxima(x!.data as Float64Array, x!.shape, windowAttribute(attributes))
    const places = winners.length / (x!.shape[0]! * x!.shape[1]!)
    const plane = sizeOf(x!.shape.slice(2))
    const size = sizeOf(x!.shape)
    const target = new Float64Array(sizeOf(output.shape))
    for (let i = 0; i < g!.data.length; i++) {
      const at = i % winners.length
      if (winners[at]! < 0) continue
      const lead = Math.floor(i / winners.length) * size
      target[lead + Math.floor(at / places) * plane + winners[at]!]! += g!.data[i] as number
    }
    return target
  },
}

const maxPoolJvpOp: Op = {
  name: 'maxPoolJvp',
  family: 'window',
  infer: ([x, t], attributes) => ({
    shape: [...leading('maxPoolJvp', t!.shape, x!.shape), ...pooled('maxPoolJvp', x!, attributes)],
    dtype: t!.dtype,
  }),
  kernel: ([x, t], attributes, output) => {
    const winners = firstMaxima(x!.data as Float64Array, x!.shape, windowAttribute(attributes))
    const places = winners.length / (x!.shape[0]! * x!.shape[1]!)
    const plane = sizeOf(x!.shape.slice(2))
    const size = sizeOf(x!.shape)
    const target = new Float64Array(sizeOf(output.shape))
    for (let i = 0; i < target.length; i++) {
      const at = i % winners.length
      const lead = Math.floor(i / winners.length) * size
      if (winners[at]! >= 0)
        target[i] = t!.data[lead + Math.floor(at / places) * plane + winners[at]!] as number
    }
    return target
  },
}

interface AveragePool extends Window {
  /** Whether padded elements count in the divisor. */
  readonly countPadding: boolean
}

/** Elements that each position averages over. */
function divisors(spatial: Shape, window: AveragePool): Float64Array {
  const positions = windowPositions('avgPool', spatial, window)
  const elements = sizeOf(window.kernel)
  const index = windowIndex(spatial, positions, window)
  const counts = new Float64Array(sizeOf(positions)).fill(window.countPadding ? elements : 0)
  if (!window.countPadding)
    for (let i = 0; i < index.length; i++) if (index[i]! >= 0) counts[Math.floor(i / elements)]!++
  return counts
}

const avgPoolOp: Op = {
  name: 'avgPool',
  family: 'window',
  infer: ([x], attributes) => ({ shape: pooled('avgPool', x!, attributes), dtype: x!.dtype }),
  kernel: ([x], attributes, output) => {
    const window = attributes as unknown as AveragePool
    const spatial = x!.shape.slice(2)
    const index = windowIndex(spatial, output.shape.slice(2), window)
    const counts = divisors(spatial, window)
    const elements = sizeOf(window.kernel)
    const plane = sizeOf(spatial)
    const target = new Float64Array(sizeOf(output.shape))
    for (let i = 0; i < target.length; i++) {
      const place = i % counts.length
      const row = Math.floor(i / counts.length) * plane
      let total = 0
      for (let e = 0; e < elements; e++) {
        const from = index[place * elements + e]!
        if (from >= 0) total += x!.data[row + from] as number
      }
      target[i] = total / counts[place]!
    }
    return target
  },
}

const avgPoolVjpOp: Op = {
  name: 'avgPoolVjp',
  family: 'window',
  infer: ([g], attributes) => {
    const window = windowAttribute(attributes)
    const spatial = attributes.spatial as Shape
    demandFloats('avgPoolVjp', [g!])
    const [n, c, places] = planes('avgPoolVjp', g!.shape, window.kernel.length)
    if (!sameShape(places, windowPositions('avgPoolVjp', spatial, window))) {
      throw new ShapeError(
        'avgPoolVjp',
        `${formatShape(places)} are not the positions on ${formatShape(spatial)}`,
      )
    }
    return { shape: [n, c, ...spatial], dtype: g!.dtype }
  },
  kernel: ([g], attributes, output) => {
    const window = attributes as unknown as AveragePool
    const spatial = attributes.spatial as Shape
    const index = windowIndex(spatial, g!.shape.slice(2), window)
    const counts = divisors(spatial, window)
    const elements = sizeOf(window.kernel)
    const plane = sizeOf(spatial)
    const target = new Float64Array(sizeOf(output.shape))
    for (let i = 0; i < g!.data.length; i++) {
      const place = i % counts.length
      const row = Math.floor(i / counts.length) * plane
      for (let e = 0; e < elements; e++) {
        const to = index[place * elements + e]!
        if (to >= 0) target[row + to]! += (g!.data[i] as number) / counts[place]!
      }
    }
    return target
  },
}

function checkPadding(op: string, window: Window): Window {
  window.kernel.forEach((k, i) => {
    const reach = window.dilation[i]! * (k - 1) + 1
    if (window.before[i]! >= reach || window.after[i]! >= reach) {
      throw new ShapeError(
        op,
        `padding must be smaller than the window (${reach} on spatial axis ${i}): a window would hold padding only`,
      )
    }
  })
  return window
}

export interface PoolOptions extends WindowOptions {
  /** Whether a last window that hangs over the end counts, as long as it begins inside. Default: false. */
  readonly ceil?: boolean
}

/** The window of a pool over x. Default stride: the kernel. Ceil mode is more padding at the end. */
export function poolWindow(
  op: string,
  x: AnyTensor,
  kernel: readonly number[],
  options: PoolOptions,
): Window {
  const { ceil = false, ...rest } = options ?? {}
  const window = checkPadding(op, windowOf(op, kernel, { ...rest, stride: rest.stride ?? kernel }))
  if (!ceil) return window
  const [, , spatial] = planes(op, x.shape, kernel.length)
  const after = spatial.map((size, i) => {
    const [step, before, pad] = [window.stride[i]!, window.before[i]!, window.after[i]!]
    const reach = window.dilation[i]! * (kernel[i]! - 1) + 1
    const free = size + before + pad - reach
    if (free < 0) return pad
    let last = Math.ceil(free / step)
    if (last * step >= size + before) last--
    return Math.max(pad, last * step + reach - size - before)
  })
  return { ...window, after }
}

/** Largest element of each window of [N, C, ...spatial]: [N, C, ...positions]; padding never wins. Default stride: the kernel. */
export function maxPool(x: Tensor, kernel: readonly number[], options: PoolOptions = {}): Tensor {
  demandTensors('maxPool', x)
  return build(maxPoolOp, [x], { ...poolWindow('maxPool', x, kernel, options) })
}

/** [..., N, C, ...positions] → [..., N, C, ...spatial]: adds g to where the maxima of x are. */
export function maxPoolVjp(x: Tensor, g: Tensor, window: Window): Tensor {
  checkWindow('maxPoolVjp', window)
  return build(maxPoolVjpOp, [x, g], { ...window })
}

/** [..., N, C, ...spatial] → [..., N, C, ...positions]: reads t where the maxima of x are. */
export function maxPoolJvp(x: Tensor, t: Tensor, window: Window): Tensor {
  checkWindow('maxPoolJvp', window)
  return build(maxPoolJvpOp, [x, t], { ...window })
}

/**
 * Mean of each window of [N, C, ...spatial]; `countPadding` (default true) counts padded zeros as elements, but never
 * what lies beyond the padding in ceil mode.
 */
export function avgPool(
  x: Tensor,
  kernel: readonly number[],
  options: PoolOptions & { readonly countPadding?: boolean } = {},
): Tensor {
  demandTensors('avgPool', x)
  const { countPadding = true, ...rest } = options ?? {}
  const window = poolWindow('avgPool', x, kernel, rest)
  const means = build(avgPoolOp, [x], { ...window, countPadding })
  if (rest.ceil !== true || !countPadding) return means
  const asked = windowOf('avgPool', kernel, rest)
  return asked.after.every((n, i) => n === window.after[i])
    ? means
    : mul(means, overhang(x.shape.slice(2), window, asked.after))
}

/** By how much means over whole windows are too small where windows hang over the padding's end: [...positions]. */
function overhang(spatial: Shape, window: Window, after: readonly number[]): Tensor {
  const positions = windowPositions('avgPool', spatial, window)
  const { kernel, stride, dilation, before } = window
  const factors = spatial.map((size, i) =>
    Array.from({ length: positions[i]! }, (_, p) => {
      const start = p * stride[i]! - before[i]!
      const room = Math.ceil((size + after[i]! - start) / dilation[i]!)
      return kernel[i]! / Math.min(kernel[i]!, room)
    }),
  )
  const all = factors.reduce<number[]>((outer, axis) => outer.flatMap((a) => axis.map((b) => a * b)), [1])
  return constantOf(Float64Array.from(all), positions, 'float32')
}

/** Average pooling with attributes at hand (for rules). */
export function avgPoolWith(x: Tensor, attributes: Attributes): Tensor {
  const { kernel, stride, before, after, dilation, countPadding } = attributes
  return build(avgPoolOp, [x], { kernel, stride, before, after, dilation, countPadding })
}

/** The transpose of average pooling: [N, C, ...positions] → [N, C, ...spatial]. */
export function avgPoolVjp(g: Tensor, attributes: Attributes, spatial: Shape): Tensor {
  checkWindow('avgPoolVjp', windowAttribute(attributes))
  checkShape('avgPoolVjp', spatial)
  const { kernel, stride, before, after, dilation, countPadding } = attributes
  return build(avgPoolVjpOp, [g], { kernel, stride, before, after, dilation, countPadding, spatial })
}
