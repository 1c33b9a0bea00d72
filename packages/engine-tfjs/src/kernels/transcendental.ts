/** @file Transcendental functions and rounding: TensorFlow.js has them all. */
import { unary } from './elementwise.ts'
import type { Rule } from './kernel.ts'

export const transcendental: Readonly<Record<string, Rule>> = {
  sin: unary((tf, x) => tf.sin(x)),
  cos: unary((tf, x) => tf.cos(x)),
  tan: unary((tf, x) => tf.tan(x)),
  asin: unary((tf, x) => tf.asin(x)),
  acos: unary((tf, x) => tf.acos(x)),
  atan: unary((tf, x) => tf.atan(x)),
  sinh: unary((tf, x) => tf.sinh(x)),
  cosh: unary((tf, x) => tf.cosh(x)),
  asinh: unary((tf, x) => tf.asinh(x)),
  acosh: unary((tf, x) => tf.acosh(x)),
  atanh: unary((tf, x) => tf.atanh(x)),
  erf: unary((tf, x) => tf.erf(x)),
  floor: unary((tf, x) => tf.floor(x)),
  ceil: unary((tf, x) => tf.ceil(x)),
  round: unary((tf, x) => tf.round(x)),
}
