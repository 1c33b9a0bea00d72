/**
 * @file Boundaries: where a tensor that all samples share – the parameter's side – meets one that has samples. A cotangent
 * that arrives there becomes a use of the parameter, a diagonal of the curvature a diagonal at the parameter.
 */
import {
  add,
  eye,
  mul,
  reshape,
  sizeOf,
  square,
  substitute,
  sum,
  sumTo,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import * as indexed from './indexed-contraction.ts'
import { type Boundary, layoutOf } from './layouts/index.ts'
import { parameterMap, type ParameterPath } from './parameter-path.ts'
import { ruleOf } from './rules/index.ts'
import type { DirectFactors, Use } from './use.ts'

/**
 * One use of a parameter.
 *
 * @param cotangent of the boundary node; [V, ...] for columns
 */
export function useOf(at: Boundary, path: ParameterPath, cotangent: Tensor, columns: boolean): Use {
  const { factors, toOperand, fromOperand, total, kronecker, key } = layoutOf(at, cotangent, columns)
  const { selects, pull } = parameterMap(path)
  return {
    factors,
    layout: Math.imul(path.operand.hash, 31) + key,
    selects,
    path,
    ...(total && !columns && { total }),
    ...(kronecker && {
      kronecker: {
        factors: kronecker.factors,
        place: (result, lead) => pull(kronecker.toOperand(result, lead), lead),
      },
    }),
    ...(fromOperand && {
      lay: (vector: Tensor) =>
        fromOperand(substitute([path.operand], new Map([[path.leaf, vector]]))[0] as Tensor),
    }),
    place: (result, lead) => pull(toOperand(result, lead), lead),
  }
}

/**
 * What a Hessian that is diagonal at the boundary node – `diagonal`, in the node's shape – means for the diagonal
 * at the parameter: Σ over samples, in the parameter's shape. Undefined where it can only be had by columns.
 */
export function diagonalUse(at: Boundary, path: ParameterPath, diagonal: Tensor): Tensor | undefined {
  const { node, operand } = at
  const { selects, pull } = parameterMap(path)
  if (!selects) return undefined
  const rule = ruleOf(node)
  const layout = layoutOf(at, diagonal, false)
  if (layout.factors.kind === 'outer') {
    const { cotangent, input } = layout.factors
    return pull(layout.toOperand(contraction.total(cotangent, square(input)), 0), 0)
  }
  if (layout.factors.kind === 'indexed') {
    return pull(layout.toOperand(indexed.total(layout.factors.cotangent, layout.factors), 0), 0)
  }
  if (rule.partial === undefined && node.op.name !== 'expand') return undefined
  const slope = rule.partial?.(node, operand) ?? 1
  const scaled = mul(diagonal, typeof slope === 'number' ? slope * slope : square(slope))
  return pull(sumTo(scaled, node.inputs[operand]!.shape), 0)
}

/**
 * The diagonal at the parameter of a curvature that an elementwise boundary node has in the operand itself: `bend`, in
 * the node's shape. Where the parameter is not simply selected, each entry of the operand is a column; undefined if
 * those are more than `limit`.
 */
export function bentUse(at: Boundary, path: ParameterPath, bend: Tensor, limit: number): Tensor | undefined {
  const { selects, pull } = parameterMap(path)
  const diagonal = sumTo(bend, path.operand.shape)
  if (selects) return pull(diagonal, 0)
  const entries = sizeOf(path.operand.shape)
  if (entries > limit) return undefined
  const columns = pull(reshape(eye(entries), [entries, ...path.operand.shape]), 1)
  const weights = reshape(diagonal, [entries, ...path.leaf.shape.map(() => 1)])
  return sum(mul(square(columns), weights), [0])
}

/** Per-sample sums of columns in the node's shape over the axes that the operand lacks: [V, N, ...operand.shape]. */
export function operandColumns(at: Boundary, columns: Tensor): Tensor {
  // As if the operand were added: a sum hands cotangents on as they are.
  const node = add(zeros(at.node.shape), at.node.inputs[at.operand] as Tensor)
  const { factors } = layoutOf({ ...at, node, operand: 1 }, columns, true)
  return (factors as DirectFactors).perSample
}

/** A use whose per-sample part is known: [V, N, ...operand.shape]. */
export function knownUse(path: ParameterPath, perSample: Tensor): Use {
  const { selects, pull } = parameterMap(path)
  return { factors: { kind: 'direct', perSample }, layout: 0, selects, path, place: pull }
}
