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

/** How a parameter's side meets the samples' side: factored by the op that does it, summed, or sample by sample. */
export type Form = 'matmul' | 'conv' | 'convTranspose' | 'gather' | 'sum' | 'sample by sample'

/** Which form a boundary has: the first whose conditions hold. */
export function formOf(at: Boundary): Form {
  const { node, operand, label } = at
  const { name } = node.op
  if (name === 'matmul' && isSharedWeight(at)) return 'matmul'
  if (name === 'conv' && operand === 1 && label.axis === 0) return 'conv'
  if (name === 'convInput' && operand === 1 && label.axis === 0) return 'convTranspose'
  if (name === 'gather' && readsByIndex(at)) return 'gather'
  const isElementwise = name === 'expand' || ruleOf(node).partial !== undefined
  return isElementwise && isBroadcast(at) ? 'sum' : 'sample by sample'
}

type LayoutRule = (at: Boundary, cotangent: Tensor, columns: boolean) => Layout

/** Scales and biases: what the op multiplies its operand with, and sums over the axes that the operand lacks. */
const slopeSum: LayoutRule = (at, cotangent, columns) => {
  const { partial } = ruleOf(at.node)
  return directSum(
    at,
    partial === undefined ? cotangent : mul(cotangent, partial(at.node, at.operand)),
    columns,
  )
}

const layouts: Readonly<Record<Form, LayoutRule>> = {
  matmul: matmulWeight,
  conv: convolutionWeight,
  convTranspose: transposedConvolutionWeight,
  gather: tableRows,
  sum: slopeSum,
  'sample by sample': masked,
}

/** The factors of one boundary's per-sample derivative, by the op that it is. */
export function layoutOf(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  return layouts[formOf(at)](at, cotangent, columns)
}
