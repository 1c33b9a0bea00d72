/** @file Windows: their geometry as ONNX writes it, unfolding and folding. */
import {
  type AnyTensor,
  type Shape,
  sizeOf,
  type Window,
  windowIndex,
  windowPositions,
} from '@beyondgrad/tensor'
import { concat, expand, full, pad, slice } from './arrange.ts'
import type { Emitter, Value } from './emitter.ts'
import type { NodeAttributes } from '../attribute.ts'
import type { Rule, Rules } from './rule.ts'

export function windowOfNode(node: AnyTensor): Window {
  return node.attributes as unknown as Window
}

/** The window as attributes of Conv, ConvTranspose and pools. */
export function windowAttributes({ kernel, stride, before, after, dilation }: Window): NodeAttributes {
  return {
    kernel_shape: kernel,
    strides: stride,
    dilations: dilation,
    pads: [...before, ...after],
  }
}

/** Adds the padding of a window around the spatial axes, of which there are `lead` before. */
export function padSpatial(emit: Emitter, x: Value, { before, after }: Window, value = 0, lead = 2): Value {
  const front = new Array<number>(lead).fill(0)
  const back = new Array<number>(x.shape.length - lead - before.length).fill(0)
  return pad(emit, x, [...front, ...before, ...back], [...front, ...after, ...back], value)
}

/** The same window on an input that has its padding already. */
export function withoutPadding(window: Window): Window {
  const none = window.kernel.map(() => 0)
  return { ...window, before: none, after: none }
}

/** The element of each window that is `offset` from its first, for all windows; the axes around stay. */
export function tap(
  emit: Emitter,
  padded: Value,
  { stride, dilation }: Window,
  positions: Shape,
  offset: readonly number[],
  lead = 2,
): Value {
  const cuts = positions.map((count, i) => ({
    axis: lead + i,
    start: offset[i]! * dilation[i]!,
    count,
    step: stride[i]!,
  }))
  return slice(emit, padded, cuts)
}

/** Every offset inside a window, row-major. */
export function offsets(kernel: Shape): number[][] {
  let all: number[][] = [[]]
  for (const size of kernel) {
    all = all.flatMap((offset) => Array.from({ length: size }, (_, i) => [...offset, i]))
  }
  return all
}

/** Where the spatial axes of an input are, and where the elements of the windows should be in the result. */
export interface Unfolding {
  /** Number of axes before the spatial ones. */
  readonly lead: number
  /** At most `lead`. */
  readonly axis: number
}

/** [...lead, ...spatial, ...trail] → [...lead, places × trail], with an axis of the windows' elements put in. */
export function unfolded(emit: Emitter, x: Value, window: Window, { lead, axis }: Unfolding): Value {
  const spatial = x.shape.slice(lead, lead + window.kernel.length)
  const positions = windowPositions('unfold', spatial, window)
  const places = sizeOf(positions) * sizeOf(x.shape.slice(lead + spatial.length))
  const one = x.shape.slice(0, lead).toSpliced(axis, 0, 1)
  const padded = padSpatial(emit, x, window, 0, lead)
  const taps = offsets(window.kernel).map((offset) =>
    emit.reshape(tap(emit, padded, window, positions, offset, lead), [...one, places]),
  )
  return concat(emit, taps, axis)
}

/** Kernels that pick one element each, for every channel: [channels × elements, 1, ...kernel]. */
export function pickingKernels(emit: Emitter, channels: number, kernel: Shape): Value {
  const elements = sizeOf(kernel)
  const data = new Float32Array(channels * elements * elements)
  for (let row = 0; row < channels * elements; row++) data[row * elements + (row % elements)] = 1
  return emit.constant('float32', [channels * elements, 1, ...kernel], data)
}

/**
 * A convolution of each channel with kernels that pick is twice as fast as slices that are joined. Where an input is
 * infinite, its neighbours in a window become NaN.
 */
const unfold: Rule = (node, [x], { emit }) => {
  if (x!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const window = windowOfNode(node)
  const [samples, channels] = x!.shape
  if (node.dtype !== 'float32' || window.kernel.length === 0) {
    const columns = unfolded(emit, emit.settled(x!), window, { lead: 2, axis: 2 })
    return emit.reshape(columns, node.shape)
  }
  const elements = sizeOf(window.kernel)
  const positions = windowPositions('unfold', x!.shape.slice(2), window)
  const picked = { shape: [samples!, channels! * elements, ...positions], dtype: node.dtype }
  const kernels = pickingKernels(emit, channels!, window.kernel)
  const attributes = { ...windowAttributes(window), group: channels! }
  return emit.reshape(emit.op('Conv', [x, kernels], picked, attributes), node.shape)
}

/** [N, C × elements, positions] → [N, C, ...spatial], added up. */
export function folded(emit: Emitter, y: Value, window: Window, spatial: Shape): Value {
  const elements = sizeOf(window.kernel)
  const shape = [y.shape[0]!, y.shape[1]! / elements, ...spatial]
  if (shape.includes(0) || y.shape.includes(0)) return full(emit, y.dtype, shape, 0)
  // ONNX Runtime 1.30 has Col2Im for float only, and gets it wrong for dilated windows over three axes.
  const wrong = spatial.length > 2 && window.dilation.some((d) => d !== 1)
  if (y.dtype !== 'float32' || wrong) return scattered(emit, y, window, spatial)
  // Images have two axes at least.
  const flat = spatial.length < 2 ? 2 - spatial.length : 0
  const widen = (list: Shape, by: number): number[] => [...new Array<number>(flat).fill(by), ...list]
  const image = emit.op(
    'Col2Im',
    [y, emit.ints(widen(spatial, 1)), emit.ints(widen(window.kernel, 1))],
    { shape: [shape[0]!, shape[1]!, ...widen(spatial, 1)], dtype: y.dtype },
    {
      strides: widen(window.stride, 1),
      dilations: widen(window.dilation, 1),
      pads: [...widen(window.before, 0), ...widen(window.after, 0)],
    },
  )
  return emit.reshape(image, shape)
}

/** Folding where Col2Im does not do. */
function scattered(emit: Emitter, y: Value, window: Window, spatial: Shape): Value {
  const elements = sizeOf(window.kernel)
  const positions = windowPositions('fold', spatial, window)
  const places = sizeOf(positions)
  const plane = sizeOf(spatial)
  const rows = (y.shape[0]! * y.shape[1]!) / elements
  const index = windowIndex(spatial, positions, window)
  // What falls into the padding goes into one more element, which is dropped.
  const target = new Int32Array(index.length)
  for (let p = 0; p < places; p++) {
    for (let e = 0; e < elements; e++) {
      const at = index[p * elements + e]!
      target[e * places + p] = at < 0 ? plane : at
    }
  }
  const row = emit.constant('int32', [1, target.length], target)
  const sums = emit.op(
    'ScatterElements',
    [
      full(emit, y.dtype, [rows, plane + 1], 0),
      expand(emit, row, [rows, target.length]),
      emit.reshape(y, [rows, target.length]),
    ],
    { shape: [rows, plane + 1], dtype: y.dtype },
    { axis: 1, reduction: 'add' },
  )
  const kept = slice(emit, sums, [{ axis: 1, start: 0, count: plane, step: 1 }])
  return emit.reshape(kept, [y.shape[0]!, y.shape[1]! / elements, ...spatial])
}

const fold: Rule = (node, [y], { emit }) =>
  folded(emit, y!, windowOfNode(node), node.attributes.spatial as Shape)

export const windowRules: Rules = { unfold, fold }
