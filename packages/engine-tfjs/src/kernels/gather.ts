/** @file Indexing and sorting: few axes at a time, and elements by their place in memory. */
import { type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { typeOf } from '../data.ts'
import { around, expandTo, view } from './axes.ts'
import type { Kernel, Rule } from './kernel.ts'
import { permute } from './movement.ts'

const take = (tf: Tf, x: Tensor, at: Tensor, axis: number): Tensor =>
  tf.gather(x, view(tf, at, [at.size]), axis)

const gather: Rule = ({ attributes, inputs, shape }) => {
  const three = around(inputs[0]!.shape, attributes.axis as number)
  return (tf, [x, at]) => view(tf, take(tf, view(tf, x!, three), at!, 1), shape)
}

/** Adds rows [n, …] to rows of zeros. */
function addRows(tf: Tf, rows: Tensor, at: Tensor, shape: Shape): Tensor {
  return tf.scatterND(view(tf, at, [at.size, 1]), rows, shape as number[])
}

const scatterAdd: Rule = ({ attributes, inputs, shape }) => {
  const [outer, size, inner] = around(shape, attributes.axis as number)
  const count = sizeOf(inputs[1]!.shape)
  return (tf, [updates, at]) => {
    const rows = permute(tf, view(tf, updates!, [outer, count, inner]), [1, 0, 2])
    const sums = addRows(tf, view(tf, rows, [count, outer * inner]), at!, [size, outer * inner])
    return view(tf, permute(tf, view(tf, sums, [size, outer, inner]), [1, 0, 2]), shape)
  }
}

/** Places in memory of the elements [outer, size, inner] that indices [outer, count, inner] name. */
function placesOf(tf: Tf, at: Tensor, [outer, size, inner]: readonly [number, number, number]): Tensor {
  const three = view(tf, at, [outer, at.size / (outer * inner), inner])
  const row = tf.reshape(tf.range(0, outer * size * inner, size * inner, 'int32'), [outer, 1, 1])
  const column = tf.reshape(tf.range(0, inner, 1, 'int32'), [1, 1, inner])
  const start = expandTo(tf, tf.add(row, column), [outer, three.shape[1]!, inner])
  const steps = inner === 1 ? three : tf.mul(three, tf.scalar(inner, 'int32'))
  return tf.add(steps, start)
}

const gatherElements: Rule = ({ attributes, inputs, shape }) => {
  const three = around(inputs[0]!.shape, attributes.axis as number)
  return (tf, [x, at]) => {
    const flat = view(tf, x!, [x!.size])
    return view(tf, take(tf, flat, placesOf(tf, at!, three), 0), shape)
  }
}

const scatterElementsAdd: Rule = ({ attributes, shape }) => {
  const three = around(shape, attributes.axis as number)
  return (tf, [updates, at]) => {
    const flat = view(tf, updates!, [updates!.size])
    return view(tf, addRows(tf, flat, placesOf(tf, at!, three), [sizeOf(shape)]), shape)
  }
}

/** Backends know no truth values in these kernels. */
const numbersOf = (tf: Tf, x: Tensor): Tensor => (x.dtype === 'bool' ? tf.cast(x, 'int32') : x)

const top = (tf: Tf, rows: Tensor, k: number): Tensor => tf.topk(rows, k).indices

/**
 * Backends know only the largest, and not what to do with NaN. So NaN is sorted as infinity first, which it then is
 * moved before or behind; both times equals stay in their order.
 */
function topOfFloats(tf: Tf, rows: Tensor, k: number, largest: boolean): Tensor {
  const [outer, size] = rows.shape as [number, number]
  const isNaN = tf.notEqual(rows, rows)
  const known = tf.where(isNaN, tf.fill([outer, size], Infinity), rows)
  const order = top(tf, largest ? known : tf.neg(known), size)
  const first = tf.cast(largest ? isNaN : tf.logicalNot(isNaN), 'int32')
  const byRow: readonly [number, number, number] = [outer, size, 1]
  const sorted = take(tf, view(tf, first, [outer * size]), placesOf(tf, order, byRow), 0)
  const chosen = top(tf, view(tf, sorted, [outer, size]), k)
  return take(tf, view(tf, order, [outer * size]), placesOf(tf, chosen, byRow), 0)
}

const topIndices: Rule = ({ attributes, inputs, shape }): Kernel => {
  const { axis, k, largest } = attributes as { axis: number; k: number; largest: boolean }
  const [outer, size, inner] = around(inputs[0]!.shape, axis)
  const isFloat = typeOf(inputs[0]!.dtype) === 'float32'
  return (tf, [x]) => {
    const rows = permute(tf, view(tf, numbersOf(tf, x!), [outer, size, inner]), [0, 2, 1])
    const flat = view(tf, rows, [outer * inner, size])
    // -1 - x turns integers around and overflows for none.
    const found = isFloat
      ? topOfFloats(tf, flat, k, largest)
      : top(tf, largest ? flat : tf.sub(tf.scalar(-1, 'int32'), flat), k)
    return view(tf, permute(tf, view(tf, found, [outer, inner, k]), [0, 2, 1]), shape)
  }
}

const flip: Rule = ({ attributes, shape, dtype }) => {
  const axes = attributes.axes as readonly number[]
  return (tf, [x]) => {
    const turned = axes.reduce(
      (y, axis) => tf.reverse(view(tf, y, around(shape, axis)), 1),
      numbersOf(tf, x!),
    )
    return view(tf, tf.cast(turned, typeOf(dtype)), shape)
  }
}

export const gatherKernels: Readonly<Record<string, Rule>> = {
  gather,
  scatterAdd,
  gatherElements,
  scatterElementsAdd,
  topIndices,
  flip,
}
