/** @file Operands that are broadcast over the samples: scales, biases, slopes. Their per-sample part is a sum. */
import { reshape, sum, type Tensor } from '@beyondgrad/tensor'
import { opened, samplesFirst, shift } from './boundary-axes.ts'
import type { Boundary, Layout } from './layout.ts'

/** Per-sample sums of an elementwise cotangent over the axes that the operand does not have: [V?, N, ...operand]. */
export function directSum(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const operand = at.node.inputs[at.operand]!.shape
  const lead = shift(columns)
  const { axis } = at.label
  const shape = at.node.shape
  const open = opened(cotangent, at, columns)
  const summed: number[] = [axis + lead, axis + 2 + lead]
  shape.forEach((size, i) => {
    if (i === axis) return
    const own = operand[i - (shape.length - operand.length)]
    if (own === undefined || (own === 1 && size !== 1)) summed.push(lead + i + (i > axis ? 2 : 0))
  })
  const axes = summed.filter((i) => open.shape[i] !== 1)
  const moved = samplesFirst(sum(open, axes, { keep: true }), at, columns)
  const perSample = reshape(moved, [...cotangent.shape.slice(0, lead), at.samples, ...operand])
  return { factors: { kind: 'direct', perSample }, toOperand: (x) => x, key: 3 }
}
