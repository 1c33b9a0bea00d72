/**
 * @file Windows, one spatial axis at a time and channels last: [N, ...spatial, C]. What element k of every window reads
 * along an axis is a slice of the padded input, or of every stride-th row of it, and is copied row by row.
 */
import { type AnyTensor, type Shape, sizeOf, type Window, windowPositions } from '@beyondgrad/tensor'
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { concatAxis, padAxis, sliceAxis, view } from './axes.ts'
import type { Rule } from './kernel.ts'
import { permute } from './movement.ts'

/** A window along one spatial axis. */
export interface AxisWindow {
  readonly size: number
  readonly kernel: number
  readonly stride: number
  readonly before: number
  readonly dilation: number
  readonly positions: number
}

export function axisWindows(op: string, spatial: Shape, window: Window): AxisWindow[] {
  const positions = windowPositions(op, spatial, window)
  return spatial.map((size, i) => ({
    size,
    kernel: window.kernel[i]!,
    stride: window.stride[i]!,
    before: window.before[i]!,
    dilation: window.dilation[i]!,
    positions: positions[i]!,
  }))
}

export const sizesOf = (axes: readonly AxisWindow[]): number[] => axes.map(({ size }) => size)
export const positionsOf = (axes: readonly AxisWindow[]): number[] => axes.map(({ positions }) => positions)
export const elementsOf = (axes: readonly AxisWindow[]): number =>
  axes.reduce((product, { kernel }) => product * kernel, 1)

/** [N, C, ...spatial] → [N, ...spatial, C]. */
export function channelsLast(tf: Tf, x: Tensor, lead = 1): Tensor {
  const axes = x.shape.map((_, axis) => axis)
  return permute(tf, x, [...axes.slice(0, lead), ...axes.slice(lead + 1), lead])
}

/** [N, ...spatial, C] → [N, C, ...spatial]. */
export function channelsFirst(tf: Tf, x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis)
  return permute(tf, x, [0, axes.length - 1, ...axes.slice(1, -1)])
}

/** [N, ...spatial, C] with two spatial axes. */
export function image(tf: Tf, x: Tensor): Tensor4D {
  const [samples, ...rest] = x.shape
  return view(tf, x, rest.length === 3 ? x.shape : [samples, 1, ...rest]) as Tensor4D
}

/** Rows of `stride` elements that an axis is laid out in, so that all windows lie inside. */
function rowsOf({ kernel, stride, dilation, positions }: AxisWindow): number {
  return Math.floor(((kernel - 1) * dilation) / stride) + positions
}

/**
 * What each element of the window reads along the middle axis.
 *
 * @param x [outer, size, inner]
 * @returns a tensor [outer, positions, inner] for each element
 */
function readsAlong(tf: Tf, x: Tensor, axis: AxisWindow, fill = 0): Tensor[] {
  const { size, kernel, stride, before, dilation, positions } = axis
  const [outer, , inner] = x.shape as [number, number, number]
  const rows = rowsOf(axis)
  const padded = padAxis(tf, x, 1, before, rows * stride - before - size, fill)
  const laid = view(tf, padded, [outer, rows, stride, inner])
  return Array.from({ length: kernel }, (_, k) => {
    const offset = k * dilation
    const start = [0, Math.floor(offset / stride), offset % stride, 0]
    const whole = rows === positions && stride === 1
    const read = whole ? laid : tf.slice(laid, start, [outer, positions, 1, inner])
    return view(tf, read, [outer, positions, inner])
  })
}

/**
 * The transpose of `readsAlong`: adds up what each element of the window writes along the middle axis.
 *
 * @param writes [outer, positions, inner] for each element
 * @returns [outer, size, inner]
 */
export function writesAlong(tf: Tf, writes: readonly Tensor[], axis: AxisWindow): Tensor {
  const { size, stride, before, dilation, positions } = axis
  const [outer, , inner] = writes[0]!.shape as [number, number, number]
  const rows = rowsOf(axis)
  const columns = Array.from({ length: stride }, (_, column): Tensor | undefined => {
    let sum: Tensor | undefined
    writes.forEach((write, k) => {
      const offset = k * dilation
      if (offset % stride !== column) return
      const at = Math.floor(offset / stride)
      const placed = padAxis(tf, write, 1, at, rows - positions - at)
      sum = sum === undefined ? placed : tf.add(sum, placed)
    })
    return sum && view(tf, sum, [outer, rows, 1, inner])
  })
  const parts = columns.map((column) => column ?? tf.zeros([outer, rows, 1, inner]))
  const laid = view(tf, concatAxis(tf, parts, 2), [outer, rows * stride, inner])
  return padAxis(tf, laid, 1, -before, size + before - rows * stride)
}

/**
 * Combines the reads of each axis in turn, as sums and maxima can be.
 *
 * @param x [N, ...spatial, C]
 * @returns [N, ...positions, C]
 */
export function reduceWindows(
  tf: Tf,
  x: Tensor,
  axes: readonly AxisWindow[],
  join: (a: Tensor, b: Tensor) => Tensor,
  fill = 0,
): Tensor {
  return axes.reduce((y, axis, i) => {
    const shape = y.shape
    const three = [sizeOf(shape.slice(0, i + 1)), axis.size, sizeOf(shape.slice(i + 2))]
    const reads = readsAlong(tf, view(tf, y, three), axis, fill)
    return view(tf, reads.reduce(join), (shape as number[]).with(i + 1, axis.positions))
  }, x)
}

/**
 * What each element of every window reads.
 *
 * @param x [N, ...spatial, C]
 * @returns [N × positions, C] for each element, row-major
 */
export function windowReads(tf: Tf, x: Tensor, axes: readonly AxisWindow[], fill = 0): Tensor[] {
  const channels = x.shape.at(-1)!
  let outer = x.shape[0]
  let reads = [x]
  axes.forEach((axis, i) => {
    const three = [outer, axis.size, sizeOf(sizesOf(axes.slice(i + 1))) * channels]
    reads = reads.flatMap((read) => readsAlong(tf, view(tf, read, three), axis, fill))
    outer *= axis.positions
  })
  return reads.map((read) => view(tf, read, [outer, channels]))
}

/**
 * The transpose of `windowReads`: adds up what each element of every window writes.
 *
 * @param writes [N × positions, C] for each element, row-major
 * @returns [N, ...spatial, C]
 */
export function windowWrites(
  tf: Tf,
  writes: readonly Tensor[],
  samples: number,
  axes: readonly AxisWindow[],
): Tensor {
  const channels = writes[0]!.shape.at(-1)!
  let sums = writes
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i]!
    const outer = samples * sizeOf(positionsOf(axes.slice(0, i)))
    const three = [outer, axis.positions, sizeOf(sizesOf(axes.slice(i + 1))) * channels]
    sums = Array.from({ length: sums.length / axis.kernel }, (_, at) => {
      const own = sums.slice(at * axis.kernel, (at + 1) * axis.kernel)
      return writesAlong(
        tf,
        own.map((write) => view(tf, write, three)),
        axis,
      )
    })
  }
  return view(tf, sums[0]!, [samples, ...sizesOf(axes), channels])
}

/** All windows of [N, ...spatial, C] as one tensor [N × positions, elements, C]. */
export function unfoldLast(tf: Tf, x: Tensor, axes: readonly AxisWindow[]): Tensor {
  const reads = windowReads(tf, x, axes)
  const rows = reads.map((read) => view(tf, read, [read.shape[0], 1, read.shape[1]!]))
  return concatAxis(tf, rows, 1)
}

/** The transpose of `unfoldLast`: [N × positions, elements, C] → [N, ...spatial, C]. */
export function foldLast(tf: Tf, y: Tensor, samples: number, axes: readonly AxisWindow[]): Tensor {
  const [rows, elements, channels] = y.shape as [number, number, number]
  const writes = Array.from({ length: elements }, (_, e) =>
    view(tf, sliceAxis(tf, y, 1, e, 1), [rows, channels]),
  )
  return windowWrites(tf, writes, samples, axes)
}

const axesOf = (node: AnyTensor, spatial: Shape): AxisWindow[] =>
  axisWindows(node.op.name, spatial, node.attributes as unknown as Window)

export const unfold: Rule = (node) => {
  const [samples, channels, ...spatial] = node.inputs[0]!.shape as [number, number, ...number[]]
  const axes = axesOf(node, spatial)
  const places = sizeOf(positionsOf(axes))
  return (tf, [x]) => {
    const windows = unfoldLast(tf, channelsLast(tf, x!), axes)
    const four = view(tf, windows, [samples, places, elementsOf(axes), channels])
    return view(tf, permute(tf, four, [0, 3, 2, 1]), node.shape)
  }
}

export const fold: Rule = (node) => {
  const [samples, channels, ...spatial] = node.shape as [number, number, ...number[]]
  const axes = axesOf(node, spatial)
  const places = sizeOf(positionsOf(axes))
  return (tf, [y]) => {
    const four = permute(tf, view(tf, y!, [samples, channels, elementsOf(axes), places]), [0, 3, 2, 1])
    const rows = view(tf, four, [samples * places, elementsOf(axes), channels])
    return channelsFirst(tf, foldLast(tf, rows, samples, axes))
  }
}
