/**
 * @file Matrix products. Products of two plain matrices are ten times quicker than batches of them on the wasm backend,
 * so a batch that only one operand has becomes rows or columns of one product, and big matrices go one by one.
 */
import { type Shape, sizeOf } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { expandTo, sliceAxis, view } from './axes.ts'
import type { Rule } from './kernel.ts'
import { permute } from './movement.ts'

/** Multiplications of one product from which on it is worth calls of its own. */
const bigProduct = 3e5

/**
 * [m, k] times [k, n]. The wasm backend prepares the second operand once and finds it again by its memory, whatever its
 * shape is by then; so it gets a copy, which nobody else has a view of.
 */
export function product(tf: Tf, a: Tensor, b: Tensor): Tensor {
  const own = tf.getBackend() === 'wasm' ? tf.slice(b, [0, 0], b.shape) : b
  return tf.matMul(a, own)
}

export const matmul: Rule = ({ inputs, shape }) => {
  const [a, b] = inputs.map((input) => input.shape) as [Shape, Shape]
  const [rows, inner, columns] = [a.at(-2)!, a.at(-1)!, b.at(-1)!]
  const batch = shape.slice(0, -2)
  const [countA, countB] = [sizeOf(a.slice(0, -2)), sizeOf(b.slice(0, -2))]
  if (countB === 1) {
    const [left, right] = [
      [countA * rows, inner],
      [inner, columns],
    ] as const
    return (tf, [x, y]) => view(tf, product(tf, view(tf, x!, left), view(tf, y!, right)), shape)
  }
  if (countA === 1 && countB * rows * inner * columns > bigProduct) {
    return (tf, [x, y]) => {
      const wide = permute(tf, view(tf, y!, [countB, inner, columns]), [1, 0, 2])
      const made = product(tf, view(tf, x!, [rows, inner]), view(tf, wide, [inner, countB * columns]))
      return view(tf, permute(tf, view(tf, made, [rows, countB, columns]), [1, 0, 2]), shape)
    }
  }
  const count = sizeOf(batch)
  const operand = (tf: Tf, x: Tensor, own: Shape): Tensor => {
    const matrix = own.slice(-2)
    const lead = own.slice(0, -2)
    const aligned = [...batch.slice(lead.length).map(() => 1), ...lead, sizeOf(matrix)]
    const full = expandTo(tf, view(tf, x, aligned), [...batch, sizeOf(matrix)])
    return view(tf, full, [count, ...matrix])
  }
  const single = rows * inner * columns > bigProduct
  return (tf, [x, y]) => {
    const [left, right] = [operand(tf, x!, a), operand(tf, y!, b)]
    if (!single) return view(tf, tf.matMul(left, right), shape)
    const products = Array.from({ length: count }, (_, i) => {
      const [p, q] = [sliceAxis(tf, left, 0, i, 1), sliceAxis(tf, right, 0, i, 1)]
      return product(tf, view(tf, p, [rows, inner]), view(tf, q, [inner, columns]))
    })
    return view(tf, tf.concat(products, 0), shape)
  }
}
