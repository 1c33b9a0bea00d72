/** @file Comparison and logic. */
import { slowlyBroadcast, unary } from './elementwise.ts'
import type { Rule } from './kernel.ts'

export const logical: Readonly<Record<string, Rule>> = {
  equal: slowlyBroadcast((tf, a, b) => tf.equal(a, b)),
  less: slowlyBroadcast((tf, a, b) => tf.less(a, b)),
  greater: slowlyBroadcast((tf, a, b) => tf.greater(a, b)),
  logicalNot: unary((tf, x) => tf.logicalNot(x)),
  logicalAnd: slowlyBroadcast((tf, a, b) => tf.logicalAnd(a, b)),
  logicalOr: slowlyBroadcast((tf, a, b) => tf.logicalOr(a, b)),
}
