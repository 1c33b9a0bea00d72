/** @file The layout of every op that has no better one. */
import { cast, constant, equal, iota, mul, reshape, type Tensor, zeros } from '@beyondgrad/tensor'
import { liftedVjp } from '../pullback.ts'
import type { Boundary, Layout } from './layout.ts'

/** Works for every op: the vjp of each sample's own part of the cotangent. N times the work of the others. */
export function masked(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { node, operand, samples, label } = at
  const size = node.shape[label.axis]!
  const owner = Array.from({ length: size }, (_, i) => Math.floor(i / label.inner) % samples)
  const owners = reshape(constant(owner, 'int32'), [
    1,
    size,
    ...node.shape.slice(label.axis + 1).map(() => 1),
  ])
  const which = reshape(iota(samples), [samples, ...Array<number>(owners.shape.length - 1).fill(1)])
  const mask = reshape(cast(equal<'int32'>(owners, which), 'float32'), [
    samples,
    ...node.shape.map((_, i) => (i === label.axis ? size : 1)),
  ])
  const count = columns ? cotangent.shape[0]! : 1
  const spread = mul(reshape(cotangent, [count, 1, ...node.shape]), mask)
  const folded = reshape(spread, [count * samples, ...node.shape])
  const wanted = node.inputs.map((_, i) => i === operand)
  const shape = node.inputs[operand]!.shape
  // Where an op only looks at its operand (a mask, a choice of maxima), the derivative is zero.
  const result =
    liftedVjp(node, folded, count * samples, wanted)[operand] ?? zeros([count * samples, ...shape])
  const lead = columns ? [count, samples] : [samples]
  return {
    factors: { kind: 'direct', perSample: reshape(result, [...lead, ...shape]) },
    toOperand: (x) => x,
    key: 4,
  }
}
