/**
 * @file Moving along one axis of a tensor of any rank. Backends take four to six axes at most, and are quickest with
 * few: an axis with all that is before and all that is behind it makes three.
 */
import { type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'

/** The same elements under another shape; free. */
export function view(tf: Tf, x: Tensor, shape: Shape): Tensor {
  const same = x.shape.length === shape.length && shape.every((size, i) => size === x.shape[i])
  return same ? x : tf.reshape(x, shape as number[])
}

/**
 * Integers or truth values as floating-point numbers. A cast of the webgpu backend leaves the bits as they are, which some
 * shaders that come later refuse; a product writes them anew.
 */
export function toFloats(tf: Tf, x: Tensor): Tensor {
  const cast = tf.cast(x, 'float32')
  return x.dtype !== 'float32' && tf.getBackend() === 'webgpu' ? tf.mul(cast, tf.scalar(1)) : cast
}

/** An axis as the middle one of three. */
export function around(shape: Shape, axis: number): [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))]
}

/** Elements `start`, `start + step`, … of one axis. */
export function sliceAxis(tf: Tf, x: Tensor, axis: number, start: number, count: number, step = 1): Tensor {
  const shape = (x.shape as number[]).with(axis, count)
  const [outer, size, inner] = around(x.shape, axis)
  if (start === 0 && count === size) return x
  if (step === 1 || count === 1) {
    return view(tf, tf.slice(view(tf, x, [outer, size, inner]), [0, start, 0], [outer, count, inner]), shape)
  }
  // Rows of `step` elements, of which the first is taken: `stridedSlice` of the wasm backend knows float32 only.
  const row = view(tf, padAxis(tf, x, axis, -start, count * step + start - size), [outer, count, step, inner])
  return view(tf, tf.slice(row, [0, 0, 0, 0], [outer, count, 1, inner]), shape)
}

/** Adds elements at both ends of an axis, or takes them away where the number is negative. */
export function padAxis(tf: Tf, x: Tensor, axis: number, before: number, after: number, value = 0): Tensor {
  const [outer, size, inner] = around(x.shape, axis)
  const start = Math.max(-before, 0)
  if (size - start - Math.max(-after, 0) <= 0) {
    // All of it is taken away, and some of what was added.
    const total = size + before + after
    return view(tf, tf.fill([outer * total * inner], value, x.dtype), (x.shape as number[]).with(axis, total))
  }
  const cut = sliceAxis(tf, x, axis, start, size - start - Math.max(-after, 0))
  const pads: [number, number] = [Math.max(before, 0), Math.max(after, 0)]
  if (pads[0] === 0 && pads[1] === 0) return cut
  const kept = cut.shape[axis]!
  const padded = tf.pad(view(tf, cut, [outer, kept, inner]), [[0, 0], pads, [0, 0]], value)
  return view(tf, padded, (x.shape as number[]).with(axis, kept + pads[0] + pads[1]))
}

/** Joins along an axis. */
export function concatAxis(tf: Tf, parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts
  if (parts.length === 1) return first!
  const outer = around(first!.shape, axis)[0]
  const flat = parts.map((part) => view(tf, part, [outer, part.size / outer]))
  const total = parts.reduce((sum, part) => sum + part.shape[axis]!, 0)
  return view(tf, tf.concat(flat, 1), (first!.shape as number[]).with(axis, total))
}

/** Axes of size 1 repeated to fill `shape`, which has as many axes. */
export function expandTo(tf: Tf, x: Tensor, shape: Shape): Tensor {
  let result = x
  // Neighbours that grow are one axis; from the back, so that what is copied grows last.
  for (let end = shape.length; end > 0;) {
    const grows = (axis: number): boolean => result.shape[axis] === 1 && shape[axis] !== 1
    if (!grows(end - 1)) {
      end--
      continue
    }
    let start = end - 1
    while (start > 0 && (grows(start - 1) || shape[start - 1] === 1)) start--
    result = repeat(tf, result, shape, start, end)
    end = start
  }
  return result
}

/** A product with ones: `tile` of the wasm backend is thirty times slower. */
function repeat(tf: Tf, x: Tensor, shape: Shape, start: number, end: number): Tensor {
  const inner = sizeOf(x.shape.slice(end))
  const outer = sizeOf(x.shape.slice(0, start))
  const count = sizeOf(shape.slice(start, end))
  const grown = [...x.shape.slice(0, start), ...shape.slice(start, end), ...x.shape.slice(end)]
  const operand = view(tf, x, [outer, 1, inner])
  const ones = tf.ones([count, 1], x.dtype)
  const repeated = x.dtype === 'bool' ? tf.logicalAnd(operand, ones) : tf.mul(operand, ones)
  return view(tf, repeated, grown)
}
