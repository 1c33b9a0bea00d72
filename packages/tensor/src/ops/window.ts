/**
 * @file Windows over spatial axes: what convolutions and pools share, and the unfolding of an input into its
 * windows with its transpose. Layout: [samples, channels, ...spatial], any number of spatial axes.
 */
import { ShapeError } from '../errors.ts'
import { build, type Tensor } from '../node.ts'
import type { Attributes, Op } from '../op.ts'
import { checkList, checkShape, formatShape, type Shape, sizeOf, stridesOf } from '../shape.ts'
import { checkWindow, demandFloats } from './window-operands.ts'

/** A window that slides over the spatial axes; one entry an axis. */
export interface Window {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly dilation: readonly number[]
}

/** How people write a window: one number means the same for every axis. */
export interface WindowOptions {
  readonly stride?: number | readonly number[]
  /** Elements around each axis, or [before, after] for every axis. */
  readonly padding?: number | readonly (number | readonly [number, number])[]
  readonly dilation?: number | readonly number[]
}

/** A window as its options describe it; throws `shape` where they do not fit the kernel. */
export function windowOf(op: string, kernel: readonly number[], options: WindowOptions = {}): Window {
  checkList(op, 'kernel size', kernel)
  if (kernel.length === 0) throw new ShapeError(op, 'a window needs at least one spatial axis')
  const rank = kernel.length
  const each = (what: string, value: number | readonly number[], least: number): readonly number[] => {
    const list = typeof value === 'number' ? kernel.map(() => value) : value
    checkList(op, what, list)
    if (list.length !== rank || list.some((n) => !Number.isInteger(n) || n < least)) {
      throw new ShapeError(
        op,
        `${what} [${list.join(', ')}] must be ${rank} integers, each at least ${least}`,
      )
    }
    return list
  }
  const padding = options.padding ?? 0
  const sides = typeof padding === 'number' ? kernel.map(() => padding) : padding
  checkList(op, 'padding', sides)
  return {
    kernel: each('kernel size', kernel, 1),
    stride: each('stride', options.stride ?? 1, 1),
    dilation: each('dilation', options.dilation ?? 1, 1),
    before: each(
      'padding',
      sides.map((p) => (typeof p === 'number' ? p : p[0])),
      0,
    ),
    after: each(
      'padding',
      sides.map((p) => (typeof p === 'number' ? p : p[1])),
      0,
    ),
  }
}

/** Number of positions of the window along each spatial axis. */
export function windowPositions(op: string, spatial: Shape, window: Window): number[] {
  if (spatial.length !== window.kernel.length) {
    throw new ShapeError(
      op,
      `an input with ${spatial.length} spatial axes ${formatShape(spatial)} needs as many kernel sizes, not ${window.kernel.length}`,
    )
  }
  return spatial.map((size, i) => {
    const reach = window.dilation[i]! * (window.kernel[i]! - 1) + 1
    const padded = size + window.before[i]! + window.after[i]!
    if (padded < reach) {
      throw new ShapeError(
        op,
        `the window spans ${reach} elements but spatial axis ${i} has ${padded} (padding included) in ${formatShape(spatial)}`,
      )
    }
    return Math.floor((padded - reach) / window.stride[i]!) + 1
  })
}

/**
 * For every position and every element of the window, the index into the spatial plane that it reads, row-major
 * `[positions, elements]`; -1 in the padding.
 */
export function windowIndex(spatial: Shape, positions: Shape, window: Window): Int32Array {
  const elements = sizeOf(window.kernel)
  const strides = stridesOf(spatial)
  const index = new Int32Array(sizeOf(positions) * elements)
  const position = new Int32Array(positions.length)
  for (let p = 0, at = 0; p < sizeOf(positions); p++) {
    const offset = new Int32Array(window.kernel.length)
    for (let e = 0; e < elements; e++, at++) {
      let flat = 0
      for (let axis = 0; axis < spatial.length; axis++) {
        const x =
          position[axis]! * window.stride[axis]! +
          offset[axis]! * window.dilation[axis]! -
          window.before[axis]!
        if (x < 0 || x >= spatial[axis]!) {
          flat = -1
          break
        }
        flat += x * strides[axis]!
      }
      index[at] = flat
      advance(offset, window.kernel)
    }
    advance(position, positions)
  }
  return index
}

function advance(index: Int32Array, shape: Shape): void {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (++index[axis]! < shape[axis]!) return
    index[axis] = 0
  }
}

/** The window of a window op's node. */
export function windowAttribute(attributes: Attributes): Window {
  return attributes as unknown as Window
}

/** Samples, channels and spatial axes of an input to a window op. */
export function planes(op: string, shape: Shape, spatialRank: number): [number, number, Shape] {
  if (shape.length !== spatialRank + 2) {
    throw new ShapeError(
      op,
      `expects [samples, channels, ...${spatialRank} spatial axes], got ${formatShape(shape)}`,
    )
  }
  return [shape[0]!, shape[1]!, shape.slice(2)]
}

const unfoldOp: Op = {
  name: 'unfold',
  family: 'window',
  infer: ([x], attributes) => {
    const window = windowAttribute(attributes)
    demandFloats('unfold', [x!])
    const [n, c, spatial] = planes('unfold', x!.shape, window.kernel.length)
    const positions = windowPositions('unfold', spatial, window)
    return { shape: [n, c * sizeOf(window.kernel), sizeOf(positions)], dtype: x!.dtype }
  },
  kernel: ([x], attributes, output) => {
    const window = windowAttribute(attributes)
    const spatial = x!.shape.slice(2)
    const index = windowIndex(spatial, windowPositions('unfold', spatial, window), window)
    const elements = sizeOf(window.kernel)
    const [rows, positions] = [output.shape[0]! * x!.shape[1]!, output.shape[2]!]
    const plane = sizeOf(spatial)
    const target = new Float64Array(sizeOf(output.shape))
    for (let row = 0, at = 0; row < rows; row++) {
      for (let e = 0; e < elements; e++) {
        for (let p = 0; p < positions; p++, at++) {
          const from = index[p * elements + e]!
          if (from >= 0) target[at] = x!.data[row * plane + from] as number
        }
      }
    }
    return target
  },
}

const foldOp: Op = {
  name: 'fold',
  family: 'window',
  infer: ([y], attributes) => {
    const window = windowAttribute(attributes)
    const spatial = attributes.spatial as Shape
    demandFloats('fold', [y!])
    const elements = sizeOf(window.kernel)
    const positions = sizeOf(windowPositions('fold', spatial, window))
    if (y!.shape.length !== 3 || y!.shape[1]! % elements !== 0 || y!.shape[2] !== positions) {
      throw new ShapeError(
        'fold',
        `expects [samples, channels × ${elements}, ${positions}] for a plane of ${formatShape(spatial)}, got ${formatShape(y!.shape)}`,
      )
    }
    return { shape: [y!.shape[0]!, y!.shape[1]! / elements, ...spatial], dtype: y!.dtype }
  },
  kernel: ([y], attributes, output) => {
    const window = windowAttribute(attributes)
    const spatial = attributes.spatial as Shape
    const index = windowIndex(spatial, windowPositions('fold', spatial, window), window)
    const elements = sizeOf(window.kernel)
    const positions = y!.shape[2]!
    const plane = sizeOf(spatial)
    const target = new Float64Array(sizeOf(output.shape))
    for (let row = 0, at = 0; row < output.shape[0]! * output.shape[1]!; row++) {
      for (let e = 0; e < elements; e++) {
        for (let p = 0; p < positions; p++, at++) {
          const to = index[p * elements + e]!
          if (to >= 0) target[row * plane + to]! += y!.data[at] as number
        }
      }
    }
    return target
  },
}

/** Every window as a column: [N, C, ...spatial] → [N, C × elements, positions]. */
export function unfold(x: Tensor, window: Window): Tensor {
  checkWindow('unfold', window)
  return build(unfoldOp, [x], { ...window })
}

/** The transpose of `unfold`: adds every window back to where it came from, [N, C, ...spatial]. */
export function fold(y: Tensor, window: Window, spatial: Shape): Tensor {
  checkWindow('fold', window)
  checkShape('fold', spatial)
  return build(foldOp, [y], { ...window, spatial })
}
