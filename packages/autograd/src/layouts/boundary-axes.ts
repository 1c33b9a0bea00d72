/** @file The sample axis of what arrives at a boundary: opened, brought to the front, summed over everything else. */
import { reshape, type Tensor, transpose } from '@beyondgrad/tensor'
import { openAxis } from '../label.ts'
import type { Boundary } from './layout.ts'

/** Axes of a cotangent of columns are shifted by one. */
export const shift = (columns: boolean): number => (columns ? 1 : 0)

/** [V?, ...shape] of the boundary node, or of what broadcasts to it, with the sample axis opened to [outer, N, inner]. */
export function opened(x: Tensor, at: Boundary, columns: boolean): Tensor {
  const lead = shift(columns)
  return reshape(x, [...x.shape.slice(0, lead), ...openAxis(x.shape.slice(lead), at.label, at.samples)])
}

/** Moves the samples of an opened tensor to the front, behind the columns. */
export function samplesFirst(open: Tensor, at: Boundary, columns: boolean): Tensor {
  const lead = shift(columns)
  const sampleAt = lead + at.label.axis + 1
  const others = open.shape.map((_, i) => i).filter((i) => i >= lead && i !== sampleAt)
  return transpose(open, [...(columns ? [0] : []), sampleAt, ...others])
}

/** Whether the operand lacks the sample axis (or has it with size 1), so that it is broadcast over the samples. */
export function isBroadcast(at: Boundary): boolean {
  const operand = at.node.inputs[at.operand]!.shape
  const own = operand[at.label.axis - (at.node.shape.length - operand.length)]
  return own === undefined || own === 1
}
