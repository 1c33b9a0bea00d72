/** @file Movement: elements are copied, and few axes are handed over at a time. */
import { type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { typeOf } from '../data.ts'
import { concatAxis, expandTo, padAxis, sliceAxis, toFloats, view } from './axes.ts'
import { scalarOf } from './elementwise.ts'
import type { Rule } from './kernel.ts'

/** Graphics backends fill few axes only. */
function filled(tf: Tf, shape: Shape, value: number, type: ReturnType<typeof typeOf>): Tensor {
  return view(tf, tf.fill([sizeOf(shape)], value, type), shape)
}

const reshape: Rule =
  ({ shape }) =>
  (tf, [x]) =>
    view(tf, x!, shape)

const expand: Rule = (node) => {
  const { shape, dtype, inputs } = node
  const value = scalarOf(node)
  const from = inputs[0]!.shape
  if (value !== undefined) return (tf) => filled(tf, shape, value, typeOf(dtype))
  const aligned = [...shape.slice(from.length).map(() => 1), ...from]
  return (tf, [x]) => expandTo(tf, view(tf, x!, aligned), shape)
}

/** Axes of size 1 are left out, and neighbours that stay neighbours are one axis. */
export function permute(tf: Tf, x: Tensor, permutation: readonly number[]): Tensor {
  const shape = permutation.map((axis) => x.shape[axis]!)
  const groups: number[][] = []
  for (const axis of permutation) {
    if (x.shape[axis] === 1) continue
    const last = groups.at(-1)
    const next = last === undefined ? undefined : skipOnes(x.shape, last.at(-1)! + 1)
    if (next === axis) last!.push(axis)
    else groups.push([axis])
  }
  const sizes = groups.map((group) => group.reduce((size, axis) => size * x.shape[axis]!, 1))
  // Where each group stands in the source.
  const firsts = groups.map((group) => group[0]!).sort((a, b) => a - b)
  const order = groups.map((group) => firsts.indexOf(group[0]!))
  const source: number[] = []
  order.forEach((at, i) => (source[at] = sizes[i]!))
  return view(tf, permuteMerged(tf, view(tf, x, source), order), shape)
}

function skipOnes(shape: Shape, axis: number): number {
  while (shape[axis] === 1) axis++
  return axis
}

/**
 * Does to integers or truth values what some shaders of the webgpu backend can do to floating-point numbers only; all
 * its integers are exact there.
 */
export function asFloats(tf: Tf, x: Tensor, move: (x: Tensor) => Tensor): Tensor {
  const { dtype } = x
  // One axis for what looks at elements one by one: shaders have six at most.
  const moved = move(view(tf, toFloats(tf, view(tf, x, [x.size])), x.shape))
  const flat = view(tf, moved, [moved.size])
  const back = dtype === 'bool' ? tf.notEqual(flat, tf.scalar(0)) : tf.cast(flat, dtype)
  return view(tf, back, moved.shape)
}

/** Transposes of at most four axes as they are, others by bringing one axis after the other to its place. */
function permuteMerged(tf: Tf, x: Tensor, order: readonly number[]): Tensor {
  if (order.every((axis, i) => axis === i)) return x
  if (x.dtype !== 'float32' && tf.getBackend() === 'webgpu') {
    return asFloats(tf, x, (floats) => permuteMerged(tf, floats, order))
  }
  if (order.length <= 4) return tf.transpose(x, order as number[])
  let result = x
  const axes = order.map((_, i) => i)
  order.forEach((axis, to) => {
    const from = axes.indexOf(axis)
    if (from === to) return
    const [size, shape] = [result.shape[from]!, result.shape]
    const split = [
      sizeOf(shape.slice(0, to)),
      sizeOf(shape.slice(to, from)),
      size,
      sizeOf(shape.slice(from + 1)),
    ]
    const moved = shape.toSpliced(from, 1).toSpliced(to, 0, size)
    result = view(tf, tf.transpose(view(tf, result, split), [0, 2, 1, 3]), moved)
    axes.splice(to, 0, ...axes.splice(from, 1))
  })
  return result
}

const transpose: Rule =
  ({ attributes }) =>
  (tf, [x]) =>
    permute(tf, x!, attributes.permutation as readonly number[])

const slice: Rule = ({ attributes, inputs }) => {
  const { starts, counts, steps } = attributes as unknown as Record<'starts' | 'counts' | 'steps', number[]>
  const axes = inputs[0]!.shape.map((_, axis) => axis)
  return (tf, [x]) =>
    axes.reduce((y, axis) => sliceAxis(tf, y, axis, starts[axis]!, counts[axis]!, steps[axis]), x!)
}

const pad: Rule = ({ attributes, inputs, shape, dtype }) => {
  const { before, after } = attributes as unknown as Record<'before' | 'after', number[]>
  const value = attributes.value as number
  if (sizeOf(inputs[0]!.shape) === 0) return (tf) => filled(tf, shape, value, typeOf(dtype))
  return (tf, [x]) =>
    shape.reduce<Tensor>((y, _, axis) => padAxis(tf, y, axis, before[axis]!, after[axis]!, value), x!)
}

const concat: Rule =
  ({ attributes }) =>
  (tf, parts) =>
    concatAxis(
      tf,
      parts.filter((part) => part.size > 0),
      attributes.axis as number,
    )

export const movement: Readonly<Record<string, Rule>> = { reshape, expand, transpose, slice, pad, concat }
