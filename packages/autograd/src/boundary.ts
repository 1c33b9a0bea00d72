/**
 * @file Boundaries: where a tensor that all samples share – the parameter's side – meets one that has samples. A cotangent
 * that arrives there becomes a use of the parameter, a diagonal of the curvature a diagonal at the parameter.
 */
import {
  add,
  eye,
  matmul,
  mul,
  reshape,
  sizeOf,
  square,
  substitute,
  sumTo,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import * as indexed from './indexed-contraction.ts'
import { type Boundary, layoutOf } from './layouts/index.ts'
import { parameterMap, type ParameterPath } from './parameter-path.ts'
import { ruleOf } from './rules/index.ts'
import { type DirectFactors, perSampleOf, type Use } from './use.ts'

/**
 * One use of a parameter.
 *
 * @param cotangent of the boundary node; [V, ...] for columns
 */
export function useOf(at: Boundary, path: ParameterPath, cotangent: Tensor, columns: boolean): Use {
  const { factors, toOperand, fromOperand, kronecker, key } = layoutOf(at, cotangent, columns)
  const { selects, pull } = parameterMap(path)
  return {
    factors,
    layout: Math.imul(path.operand.hash, 31) + key,
    selects,
    path,
    ...(kronecker && {
      kronecker: () => {
        const other = kronecker()
        return {
          factors: other.factors,
          place: (result: Tensor, lead: number) => pull(other.toOperand(result, lead), lead),
        }
      },
    }),
    ...(fromOperand && {
      lay: (vector: Tensor) =>
        fromOperand(substitute([path.operand], new Map([[path.leaf, vector]]))[0] as Tensor),
    }),
    place: (result, lead) => pull(toOperand(result, lead), lead),
  }
}

/** A part of the curvature that is diagonal at a parameter. */
export interface DiagonalPart {
  /** Σ over samples: [...parameter.shape]. */
  summed(): Tensor
  /** [N, ...parameter.shape]. */
  perSample(): Tensor
}

/**
 * What a Hessian that is diagonal at the boundary node – `diagonal`, in the node's shape – means for the diagonal
 * at the parameter. Undefined where it can only be had by columns.
 */
export function diagonalUse(at: Boundary, path: ParameterPath, diagonal: Tensor): DiagonalPart | undefined {
  const { node, operand } = at
  const { selects, pull } = parameterMap(path)
  if (!selects) return undefined
  const rule = ruleOf(node)
  const { factors, toOperand } = layoutOf(at, diagonal, false)
  if (factors.kind === 'outer') {
    const { cotangent, input } = factors
    return {
      summed: () => pull(toOperand(contraction.total(cotangent, square(input)), 0), 0),
      perSample: () => pull(toOperand(contraction.perSample(cotangent, square(input)), 1), 1),
    }
  }
  if (factors.kind === 'indexed') {
    return {
      summed: () => pull(toOperand(indexed.total(factors.cotangent, factors), 0), 0),
      perSample: () => pull(toOperand(indexed.perSample(factors), 1), 1),
    }
  }
  if (rule.partial === undefined && node.op.name !== 'expand') return undefined
  const slope = rule.partial?.(node, operand) ?? 1
  const scaled = mul(diagonal, typeof slope === 'number' ? slope * slope : square(slope))
  return {
    summed: () => pull(sumTo(scaled, node.inputs[operand]!.shape), 0),
    perSample: () => pull(samplesOfOperand(at, scaled, false), 1),
  }
}

/**
 * The diagonal at the parameter of a curvature that an elementwise boundary node has in the operand itself: `bend`, in
 * the node's shape. Where the parameter is not simply selected, each entry of the operand is a column; undefined if
 * those are more than `limit`.
 */
export function bentUse(
  at: Boundary,
  path: ParameterPath,
  bend: Tensor,
  limit: number,
): DiagonalPart | undefined {
  const { selects, pull } = parameterMap(path)
  const { shape } = path.operand
  const summed = (): Tensor => sumTo(bend, shape)
  const perSample = (): Tensor => samplesOfOperand(at, bend, false)
  if (selects) return { summed: () => pull(summed(), 0), perSample: () => pull(perSample(), 1) }
  const entries = sizeOf(shape)
  if (entries > limit) return undefined
  const squares = (): Tensor =>
    reshape(square(pull(reshape(eye(entries), [entries, ...shape]), 1)), [entries, -1])
  const weighted = (weights: Tensor, lead: readonly number[]): Tensor =>
    reshape(matmul(reshape(weights, [-1, entries]), squares()), [...lead, ...path.leaf.shape])
  return { summed: () => weighted(summed(), []), perSample: () => weighted(perSample(), [at.samples]) }
}

/**
 * Per-sample sums of what is in the node's shape over the axes that the operand lacks: [V?, N, ...operand.shape].
 *
 * @param columns whether x has an axis of columns in front
 */
export function samplesOfOperand(at: Boundary, x: Tensor, columns: boolean): Tensor {
  // As if the operand were added: a sum hands cotangents on as they are.
  const node = add(zeros(at.node.shape), at.node.inputs[at.operand] as Tensor)
  const { factors } = layoutOf({ ...at, node, operand: 1 }, x, columns)
  return (factors as DirectFactors).perSample
}

/** The cotangent of the operand, for each sample: [N, ...operand.shape]. */
export function operandCotangents(at: Boundary, cotangent: Tensor): Tensor {
  const { factors, toOperand } = layoutOf(at, cotangent, false)
  return toOperand(perSampleOf(factors), 1)
}

/** A use whose per-sample part is known: [V, N, ...operand.shape]. */
export function knownUse(path: ParameterPath, perSample: Tensor): Use {
  const { selects, pull } = parameterMap(path)
  return { factors: { kind: 'direct', perSample }, layout: 0, selects, path, place: pull }
}
