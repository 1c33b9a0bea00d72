/** @file Reductions and cumulative sums: neighbouring axes that go are one axis, and go one such axis at a time, the last first. */
import { type AnyTensor, type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { around, view } from './axes.ts'
import { product } from './contract.ts'
import type { Rule } from './kernel.ts'
import { asFloats, permute } from './movement.ts'

/** Reduces the middle one of three axes: [outer, size, inner] → outer × inner elements. */
type Step = (tf: Tf, x: Tensor, outer: number, size: number, inner: number) => Tensor

/** Runs of axes [start, end) that are reduced, the last first; axes of size 1 may lie between. */
function runsOf(shape: Shape, axes: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue
    if (!axes.includes(axis)) continue
    const run = runs.at(-1)
    if (run !== undefined && sizeOf(shape.slice(axis + 1, run[0])) === 1) run[0] = axis
    else runs.push([axis, axis + 1])
  }
  return runs
}

const reduction =
  (step: Step): Rule =>
  ({ inputs, attributes, shape }) => {
    const from = inputs[0]!.shape
    const runs = runsOf(from, attributes.axes as readonly number[])
    return (tf, [x]) => {
      let [result, sizes] = [x!, [...from]]
      for (const [start, end] of runs) {
        const [outer, size, inner] = [
          sizeOf(sizes.slice(0, start)),
          sizeOf(sizes.slice(start, end)),
          sizeOf(sizes.slice(end)),
        ]
        result = step(tf, result, outer, size, inner)
        sizes = sizes.map((d, axis) => (axis >= start && axis < end ? 1 : d))
      }
      return view(tf, result, shape)
    }
  }

/** Sums of columns are a product with ones: backends transpose first otherwise. */
const sumMiddle: Step = (tf, x, outer, size, inner) => {
  if (outer === 1 && inner > 1 && x.dtype === 'float32') {
    return product(tf, tf.ones([1, size]), view(tf, x, [size, inner]))
  }
  return alongMiddle(tf, view(tf, x, [outer, size, inner]), (y, axis) => tf.sum(y, axis))
}

/** The webgpu backend reduces the last axis of floating-point numbers only; for others it makes shaders that are refused. */
function alongMiddle(tf: Tf, x: Tensor, apply: (x: Tensor, axis: number) => Tensor): Tensor {
  if (tf.getBackend() !== 'webgpu') return apply(x, 1)
  const last = (y: Tensor): Tensor => apply(permute(tf, y, [0, 2, 1]), 2)
  return x.dtype === 'float32' ? last(x) : asFloats(tf, x, last)
}

export const sum: Rule = reduction(sumMiddle)

export const max: Rule = reduction((tf, x, outer, size, inner) =>
  alongMiddle(tf, view(tf, x, [outer, size, inner]), (y, axis) => tf.max(y, axis)),
)

export const min: Rule = reduction((tf, x, outer, size, inner) =>
  alongMiddle(tf, view(tf, x, [outer, size, inner]), (y, axis) => tf.min(y, axis)),
)

export const cumsum: Rule = ({ inputs, attributes, shape }: AnyTensor) => {
  const { axis, exclusive, reverse } = attributes as { axis: number; exclusive: boolean; reverse: boolean }
  const three = around(inputs[0]!.shape, axis)
  return (tf, [x]) => {
    const along = view(tf, x!, three)
    // The cumsum of the webgpu backend adds up something else now and then.
    const sums =
      tf.getBackend() === 'webgpu'
        ? sumsByProduct(tf, along, exclusive, reverse)
        : tf.cumsum(along, 1, exclusive, reverse)
    return view(tf, sums, shape)
  }
}

/** Cumulative sums of the middle axis as a product with a triangle of ones. */
function sumsByProduct(tf: Tf, x: Tensor, exclusive: boolean, reverse: boolean): Tensor {
  const [outer, size, inner] = x.shape as [number, number, number]
  const triangle = Float32Array.from({ length: size * size }, (_, at) => {
    const ahead = (Math.floor(at / size) - (at % size)) * (reverse ? -1 : 1)
    return ahead < (exclusive ? 0 : 1) ? 1 : 0
  })
  const add = (y: Tensor): Tensor => {
    const rows = view(tf, permute(tf, y, [0, 2, 1]), [outer * inner, size])
    const sums = product(tf, rows, tf.tensor2d(triangle, [size, size]))
    return permute(tf, view(tf, sums, [outer, inner, size]), [0, 2, 1])
  }
  return x.dtype === 'float32' ? add(x) : asFloats(tf, x, add)
}

/** NaN is never the largest. */
export const argmax: Rule = ({ inputs, attributes, shape }: AnyTensor) => {
  const three = around(inputs[0]!.shape, (attributes.axes as readonly number[])[0]!)
  return (tf, [x]) => {
    const y = view(tf, x!, three)
    const known = y.dtype === 'float32' ? tf.where(tf.notEqual(y, y), tf.fill(three, -Infinity), y) : y
    return view(tf, tf.argMax(known, 1), shape)
  }
}
