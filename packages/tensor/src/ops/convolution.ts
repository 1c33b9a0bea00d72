/**
 * @file Convolution and its two partners. ⟨g, conv(x, w)⟩ is linear in each of x, w and g; `conv`, `convInput` and
 * `convWeight` are its three partial derivatives, so the derivatives of each are again among the three.
 */
import { ShapeError } from '../errors.ts'
import { build, demandTensors, type Tensor } from '../node.ts'
import type { Attributes, Op } from '../op.ts'
import { checkShape, formatShape, type Shape, sizeOf } from '../shape.ts'
import { planes, type Window, windowIndex, type WindowOptions, windowOf, windowPositions } from './window.ts'
import { checkWindow, demandFloats } from './window-operands.ts'

/** A window with groups of channels that don't see each other. */
export interface Convolution extends Window {
  readonly groups: number
}

/** The geometry of a convolution's node, or of one of its partners. */
export function convolutionAttribute(attributes: Attributes): Convolution {
  return attributes as unknown as Convolution
}

function checkWeight(op: string, channels: number, weight: Shape, { kernel, groups }: Convolution): void {
  const [out, inner] = weight
  if (weight.length !== kernel.length + 2 || kernel.some((k, i) => weight[i + 2] !== k)) {
    throw new ShapeError(
      op,
      `a weight of shape ${formatShape(weight)} does not have kernel size ${formatShape(kernel)}`,
    )
  }
  if (inner! * groups !== channels || out! % groups !== 0) {
    throw new ShapeError(
      op,
      `a weight of shape ${formatShape(weight)} with ${groups} group(s) takes ${inner! * groups} channels and gives a multiple of ${groups}, but the input has ${channels} channels`,
    )
  }
}

/** Calls `each(x, w, z)` with the three flat indices of every product of a convolution. */
function everyProduct(
  x: Shape,
  weight: Shape,
  geometry: Convolution,
  each: (x: number, w: number, z: number) => void,
): void {
  const spatial = x.slice(2)
  const positions = windowPositions('conv', spatial, geometry)
  const index = windowIndex(spatial, positions, geometry)
  const [samples, channels] = [x[0]!, x[1]!]
  const [out, inner] = [weight[0]!, weight[1]!]
  const elements = sizeOf(geometry.kernel)
  const places = sizeOf(positions)
  const plane = sizeOf(spatial)
  const outPerGroup = out / geometry.groups
  for (let n = 0; n < samples; n++) {
    for (let o = 0; o < out; o++) {
      const first = Math.floor(o / outPerGroup) * inner
      for (let i = 0; i < inner; i++) {
        const x0 = (n * channels + first + i) * plane
        const w0 = (o * inner + i) * elements
        const z0 = (n * out + o) * places
        for (let p = 0, at = 0; p < places; p++) {
          for (let e = 0; e < elements; e++, at++) {
            if (index[at]! >= 0) each(x0 + index[at]!, w0 + e, z0 + p)
          }
        }
      }
    }
  }
}

const convOp: Op = {
  name: 'conv',
  family: 'window',
  infer: ([x, w], attributes) => {
    const geometry = convolutionAttribute(attributes)
    demandFloats('conv', [x!, w!])
    const [n, channels, spatial] = planes('conv', x!.shape, geometry.kernel.length)
    checkWeight('conv', channels, w!.shape, geometry)
    return { shape: [n, w!.shape[0]!, ...windowPositions('conv', spatial, geometry)], dtype: x!.dtype }
  },
  kernel: ([x, w], attributes, output) => {
    const [a, b] = [x!.data as Float64Array, w!.data as Float64Array]
    const target = new Float64Array(sizeOf(output.shape))
    everyProduct(x!.shape, w!.shape, convolutionAttribute(attributes), (i, j, k) => {
      target[k]! += a[i]! * b[j]!
    })
    return target
  },
}

const convInputOp: Op = {
  name: 'convInput',
  family: 'window',
  infer: ([g, w], attributes) => {
    const geometry = convolutionAttribute(attributes)
    const spatial = attributes.spatial as Shape
    demandFloats('convInput', [g!, w!])
    const [n, out, places] = planes('convInput', g!.shape, geometry.kernel.length)
    const channels = w!.shape[1]! * geometry.groups
    checkWeight('convInput', channels, w!.shape, geometry)
    const positions = windowPositions('convInput', spatial, geometry)
    if (out !== w!.shape[0] || positions.some((d, i) => d !== places[i])) {
      throw new ShapeError(
        'convInput',
        `expects a cotangent of [${n}, ${w!.shape[0]}, ${positions.join(', ')}], got ${formatShape(g!.shape)}`,
      )
    }
    return { shape: [n, channels, ...spatial], dtype: g!.dtype }
  },
  kernel: ([g, w], attributes, output) => {
    const [a, b] = [g!.data as Float64Array, w!.data as Float64Array]
    const target = new Float64Array(sizeOf(output.shape))
    everyProduct(output.shape, w!.shape, convolutionAttribute(attributes), (i, j, k) => {
      target[i]! += a[k]! * b[j]!
    })
    return target
  },
}

const convWeightOp: Op = {
  name: 'convWeight',
  family: 'window',
  infer: ([x, g], attributes) => {
    const geometry = convolutionAttribute(attributes)
    demandFloats('convWeight', [x!, g!])
    const [n, channels, spatial] = planes('convWeight', x!.shape, geometry.kernel.length)
    const positions = windowPositions('convWeight', spatial, geometry)
    const expected = [n, g!.shape[1]!, ...positions]
    if (g!.shape.length !== expected.length || expected.some((d, i) => d !== g!.shape[i])) {
      throw new ShapeError(
        'convWeight',
        `expects a cotangent of ${formatShape(expected)}, got ${formatShape(g!.shape)}`,
      )
    }
    const shape = [g!.shape[1]!, channels / geometry.groups, ...geometry.kernel]
    checkWeight('convWeight', channels, shape, geometry)
    return { shape, dtype: x!.dtype }
  },
  kernel: ([x, g], attributes, output) => {
    const [a, b] = [x!.data as Float64Array, g!.data as Float64Array]
    const target = new Float64Array(sizeOf(output.shape))
    everyProduct(x!.shape, output.shape, convolutionAttribute(attributes), (i, j, k) => {
      target[j]! += a[i]! * b[k]!
    })
    return target
  },
}

/**
 * Cross-correlation over the spatial axes, as in every deep-learning library.
 *
 * @param x [N, C, ...spatial]
 * @param w [O, C / groups, ...kernel]
 * @returns [N, O, ...positions]
 */
export function conv(
  x: Tensor,
  w: Tensor,
  options: WindowOptions & { readonly groups?: number } = {},
): Tensor {
  demandTensors('conv', x, w)
  const { groups = 1, ...window } = options ?? {}
  if (!Number.isInteger(groups) || groups < 1)
    throw new ShapeError('conv', `groups ${groups} is not a positive integer`)
  return build(convOp, [x, w], { ...windowOf('conv', w.shape.slice(2), window), groups })
}

/** The cotangent of the input of a convolution: [N, O, ...positions] and the weight → [N, C, ...spatial]. */
export function convInput(g: Tensor, w: Tensor, geometry: Convolution, spatial: Shape): Tensor {
  checkShape('convInput', spatial)
  return build(convInputOp, [g, w], { ...plain('convInput', geometry), spatial })
}

/** The cotangent of the weight of a convolution, summed over samples: x and [N, O, ...positions] → weight shape. */
export function convWeight(x: Tensor, g: Tensor, geometry: Convolution): Tensor {
  return build(convWeightOp, [x, g], { ...plain('convWeight', geometry) })
}

/** The convolution itself with a geometry at hand. */
export function convWith(x: Tensor, w: Tensor, geometry: Convolution): Tensor {
  return build(convOp, [x, w], { ...plain('conv', geometry) })
}

function plain(op: string, geometry: Convolution): Convolution {
  checkWindow(op, geometry)
  const { kernel, stride, before, after, dilation, groups } = geometry
  if (!Number.isInteger(groups) || groups < 1)
    throw new ShapeError(op, `groups ${groups} is not a positive integer`)
  return { kernel, stride, before, after, dilation, groups }
}
