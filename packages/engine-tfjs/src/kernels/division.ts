/**
 * @file Division and remainders. TensorFlow.js divides downwards, backends do what they like with 0 – wasm traps – and
 * integer quotients are computed in single precision; only the remainder of integers is exact.
 */
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { type Binary, binary, quotient, slowlyBroadcast } from './elementwise.ts'
import type { Rule } from './kernel.ts'

const whole = (tf: Tf, x: Tensor): Tensor => tf.cast(x, 'int32')

/** A divisor with 1 in place of 0. */
const nonZero: (tf: Tf, b: Tensor) => Tensor = (tf, b) =>
  tf.add(b, whole(tf, tf.equal(b, tf.scalar(0, 'int32'))))

/** The remainder of division towards zero, of a divisor that is not 0. */
const remainder: Binary = (tf, a, b) => {
  const zero = tf.scalar(0, 'int32')
  const downwards = tf.mod(a, b)
  const opposite = tf.notEqual(tf.less(a, zero), tf.less(b, zero))
  const moves = tf.logicalAnd(tf.notEqual(downwards, zero), opposite)
  return tf.sub(downwards, tf.mul(whole(tf, moves), b))
}

/**
 * Without the remainder the division is even. The single-precision quotient is nearly right, and what it leaves has a
 * quotient small enough to be exact. Sums and products may wrap on the way: they wrap back.
 */
const wholeQuotient: Binary = (tf, a, b) => {
  const by = nonZero(tf, b)
  const even = tf.sub(a, remainder(tf, a, by))
  const divisor = tf.cast(by, 'float32')
  const nearly = (x: Tensor): Tensor => whole(tf, tf.round(tf.div(tf.cast(x, 'float32'), divisor)))
  const first = nearly(even)
  const second = nearly(tf.sub(even, tf.mul(first, by)))
  return tf.mul(tf.add(first, second), whole(tf, tf.notEqual(b, tf.scalar(0, 'int32'))))
}

/** Sizes first: the remainder of a negative number by infinity is NaN otherwise. */
const floatRemainder: Binary = (tf, a, b) => tf.mul(tf.mod(tf.abs(a), tf.abs(b)), tf.sign(a))

const byDType =
  (float: Rule, integer: Rule): Rule =>
  (node) =>
    (node.dtype === 'float32' ? float : integer)(node)

export const division: Readonly<Record<string, Rule>> = {
  div: byDType(binary(quotient), slowlyBroadcast(wholeQuotient)),
  rem: byDType(
    slowlyBroadcast(floatRemainder),
    slowlyBroadcast((tf, a, b) => remainder(tf, a, nonZero(tf, b))),
  ),
}
