/** @file The layout of every op that has no better one. */
import {
  add,
  after,
  type AnyTensor,
  cast,
  constant,
  equal,
  iota,
  mul,
  reshape,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { liftedVjp } from '../pullback.ts'
import type { Boundary, Layout } from './layout.ts'

/** Works for every op: the vjp of each sample's own part of the cotangent. N times the work of the others. */
export function masked(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const rows = (from: number, to: number, tokens: readonly AnyTensor[] = []): Tensor => {
    const waited = tokens.reduce<Tensor>((x, token) => after(token, x), cotangent)
    return samplesOf(at, waited, columns, from, to)
  }
  let all: Tensor | undefined
  return {
    factors: {
      kind: 'direct',
      get perSample(): Tensor {
        return (all ??= rows(0, at.samples))
      },
      rows,
    },
    toOperand: (x) => x,
    key: 4,
  }
}

/** [V?, to − from, ...operand]. */
function samplesOf(at: Boundary, cotangent: Tensor, columns: boolean, from: number, to: number): Tensor {
  const { node, operand, samples, label } = at
  const size = node.shape[label.axis]!
  const owner = Array.from({ length: size }, (_, i) => Math.floor(i / label.inner) % samples)
  const owners = reshape(constant(owner, 'int32'), [
    1,
    size,
    ...node.shape.slice(label.axis + 1).map(() => 1),
  ])
  const some = to - from
  const which = reshape(add<'int32'>(iota(some), from), [
    some,
    ...Array<number>(owners.shape.length - 1).fill(1),
  ])
  const mask = reshape(cast(equal<'int32'>(owners, which), 'float32'), [
    some,
    ...node.shape.map((_, i) => (i === label.axis ? size : 1)),
  ])
  const count = columns ? cotangent.shape[0]! : 1
  const spread = mul(reshape(cotangent, [count, 1, ...node.shape]), mask)
  const folded = reshape(spread, [count * some, ...node.shape])
  const wanted = node.inputs.map((_, i) => i === operand)
  const shape = node.inputs[operand]!.shape
  // Where an op only looks at its operand (a mask, a choice of maxima), the derivative is zero.
  const result = liftedVjp(node, folded, count * some, wanted)[operand] ?? zeros([count * some, ...shape])
  return reshape(result, [...(columns ? [count, some] : [some]), ...shape])
}
