/**
 * @file The layouts of per-sample derivatives: at the op where a tensor that all samples share – the parameter's side –
 * meets one that has samples, the derivative takes its factored form, which one depends on the op.
 */
import { mul, type Tensor } from '@beyondgrad/tensor'
import { ruleOf } from '../rules/index.ts'
import { isBroadcast } from './boundary-axes.ts'
import { convolutionWeight, transposedConvolutionWeight } from './convolution.ts'
import { directSum } from './elementwise.ts'
import { readsByIndex, tableRows } from './gather.ts'
import type { Boundary, Layout } from './layout.ts'
import { masked } from './masked.ts'
import { isSharedWeight, matmulWeight } from './matmul.ts'

export type { Boundary } from './layout.ts'

/** The factors of one boundary's per-sample derivative, by the op that it is. */
export function layoutOf(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { node, operand, label } = at
  const rule = ruleOf(node)
  const { name } = node.op
  if (name === 'matmul' && isSharedWeight(at)) return matmulWeight(at, cotangent, columns)
  if (name === 'conv' && operand === 1 && label.axis === 0) return convolutionWeight(at, cotangent, columns)
  if (name === 'convInput' && operand === 1 && label.axis === 0) {
    return transposedConvolutionWeight(at, cotangent, columns)
  }
  if (name === 'gather' && readsByIndex(at)) return tableRows(at, cotangent, columns)
  if (name === 'expand' && isBroadcast(at)) return directSum(at, cotangent, columns)
  if (rule.partial !== undefined && isBroadcast(at)) {
    return directSum(at, mul(cotangent, rule.partial(node, operand)), columns)
  }
  return masked(at, cotangent, columns)
}
