/**
 * @file Columns with which second order starts at a loss. A definition knows the columns of one block (a sample, or one position
 * of it); here they are put at one block after the other, weighted, drawn at random, or made from the second derivative where
 * no root is known: H = ½ Σ_c (e_c h_cᵀ + h_c e_cᵀ) with h_c = H e_c, as pairs of columns of either sign.
 */
import {
  abs,
  type AnyTensor,
  BeyondgradError,
  cast,
  constant,
  concat,
  div,
  equal,
  expand,
  eye,
  full,
  gatherAt,
  less,
  lift,
  max,
  mul,
  ones,
  placeholder,
  random,
  reshape,
  sizeOf,
  slice,
  sqrt,
  substitute,
  sum,
  type Tensor,
  transpose,
  where,
  zeros,
} from '@beyondgrad/tensor'
import { alongBlocks, type LossDefinition, type LossNodeParts, lossTotal, type Sampling } from './loss.ts'
import { vjp } from './derivative.ts'
import type { SamplePick } from './some-samples.ts'

/** A loss as second order sees it. */
export interface CurvedLoss extends LossNodeParts {
  readonly definition: LossDefinition
}

/** Columns that start a sweep: Σ w C Cᵀ over all of them is the Hessian of every sample's loss. */
export interface StartingColumns {
  readonly total: number
  /** Columns `from` up to `to`: [to − from, ...output.shape]. */
  readonly at: (from: number, to: number) => Tensor
  /** [total, N]; undefined where every column counts once. */
  readonly weight?: Tensor | undefined
}

/** Columns of every block at once. */
interface BlockColumns {
  /** [B, ...output.shape]. */
  readonly columns: Tensor
  /** [B, N, …blocks]; undefined where every column counts once. */
  readonly weight?: Tensor
}

/** ∇²(Σ w ℓ) · v with respect to the output: [...output.shape]. */
export function hessianProduct(loss: CurvedLoss, vector: Tensor): Tensor {
  const stand = placeholder(loss.output.shape, 'float32', 'output')
  const product = curvatureAt(loss, stand, vector)
  return substitute([product], new Map([[stand, loss.output]]))[0] as Tensor
}

/** The second derivative along a vector, as the gradient of ⟨∇, v⟩. */
function curvatureAt({ definition, target, weight }: CurvedLoss, output: Tensor, vector: Tensor): Tensor {
  const [slope] = vjp(lossTotal(definition, { output, target, weight }), [output], ones([])) as [Tensor]
  return vjp(sum(mul(slope, vector)), [output], ones([]))[0]!
}

/** Exact columns of the loss's Hessian. */
export function exactColumns(loss: CurvedLoss): StartingColumns {
  return placed(loss, rootOf(loss) ?? secondDerivative(loss))
}

/**
 * Random columns whose outer products average to the Hessian; throws `unsupported` for a loss that has neither a sampler nor
 * a root.
 */
export function drawnColumns(loss: CurvedLoss, sampling: Sampling, what: string): StartingColumns {
  const { definition } = loss
  const weight = rootWeight(loss)
  let columns: Tensor | undefined
  if (weight !== 'unknown' && definition.sampleRoot !== undefined) {
    columns = definition.sampleRoot(loss, sampling)
    if (weight !== undefined) columns = mul(columns, weight)
  } else {
    const root = rootOf(loss)
    columns = root && signed(loss, root.columns, sampling)
  }
  if (columns === undefined) {
    throw new BeyondgradError(
      'unsupported',
      `${what}: loss "${definition.name}" has neither a sampler nor a square root of its Hessian, which may be indefinite, so that there is nothing to draw; use an exact quantity such as DiagGGN, or give loss() a hessianRoot or sampleRoot`,
    )
  }
  return oneAfterAnother(columns)
}

/** The same columns of some of the samples. */
export const columnsOfSamples = (
  { total, at, weight }: StartingColumns,
  pick: SamplePick,
): StartingColumns => ({
  total,
  at: (from, to) => pick.take(at(from, to), 1),
  weight: weight && pick.take(weight, 1),
})

/** Columns that are there already. */
export const oneAfterAnother = (columns: Tensor): StartingColumns => ({
  total: columns.shape[0]!,
  at: (from, to) => slice(columns, 0, from, to),
})

/** √w along the output, undefined where nothing is weighted; 'unknown' where a weight belongs to no block. */
function rootWeight({ weight, output, blockAxes }: CurvedLoss): Tensor | undefined | 'unknown' {
  if (weight === undefined) return undefined
  return weight.shape.length > blockAxes ? 'unknown' : sqrt(alongBlocks(weight, output))
}

function rootOf(loss: CurvedLoss): BlockColumns | undefined {
  const root = loss.definition.hessianRoot?.(loss)
  const weight = rootWeight(loss)
  if (root === undefined || weight === 'unknown') return undefined
  return { columns: weight === undefined ? root : mul(root, weight) }
}

/** The axes of an output: blocks first, then those within a block. */
function blocksOf({ output, blockAxes }: CurvedLoss): {
  readonly samples: number
  readonly blocks: readonly number[]
  readonly within: readonly number[]
} {
  const [samples, ...rest] = output.shape as [number, ...number[]]
  return { samples, blocks: rest.slice(0, blockAxes - 1), within: rest.slice(blockAxes - 1) }
}

/** The Hessian by automatic differentiation: a weight for each entry, or pairs of columns. */
function secondDerivative(loss: CurvedLoss): BlockColumns {
  const { output } = loss
  const { within } = blocksOf(loss)
  const entries = sizeOf(within)
  if (within.length === 0) {
    const bend = hessianProduct(loss, ones(output.shape))
    return { columns: ones([1, ...output.shape]), weight: reshape(bend, [1, ...output.shape]) }
  }
  const lead = output.shape.slice(0, loss.blockAxes)
  const units = expand(reshape(eye(entries), [entries, ...lead.map(() => 1), ...within]), [
    entries,
    ...output.shape,
  ])
  const one = placeholder(output.shape, 'float32', 'vector')
  const { results, isBatched } = lift(
    [hessianProduct(loss, one)],
    new Map<AnyTensor, AnyTensor>([[one, units]]),
    entries,
  )
  const bends = isBatched[0] ? (results[0] as Tensor) : zeros([entries, ...output.shape])
  // Both halves of a column at the same size, or their small product would be lost beside their squares.
  const inner = within.map((_, i) => 1 + lead.length + i)
  const size = sqrt(max(abs(bends), inner, { keep: true }).add(1e-30))
  const [u, w] = [mul(units, size), div(bends, size)]
  const quarter = full([entries, ...lead], 0.25)
  return { columns: concat([u.add(w), u.sub(w)], 0), weight: concat([quarter, mul(quarter, -1)], 0) }
}

/** The columns of all blocks as columns that are zero but at one block: column t · B + b is column b at block t. */
function placed(loss: CurvedLoss, { columns, weight }: BlockColumns): StartingColumns {
  const { samples, blocks, within } = blocksOf(loss)
  const [each, positions] = [columns.shape[0]!, sizeOf(blocks)]
  const total = each * positions
  const weights =
    weight && reshape(transpose(reshape(weight, [each, samples, positions]), [2, 0, 1]), [total, samples])
  if (positions === 1) return { ...oneAfterAnother(columns), weight: weights }
  const isAt = (from: number, to: number): Tensor => {
    const block = constant(
      Array.from({ length: to - from }, (_, i) => [Math.floor((from + i) / each)]),
      'int32',
    )
    const all = constant([Array.from({ length: positions }, (_, i) => i)], 'int32')
    const mask = cast(equal<'int32'>(block, all), 'float32')
    return reshape(mask, [to - from, 1, ...blocks, ...within.map(() => 1)])
  }
  return {
    total,
    weight: weights,
    at: (from, to) => {
      const which = Array.from({ length: to - from }, (_, i) => (from + i) % each)
      const chosen = each === 1 ? columns : gatherAt(columns, constant(which, 'int32'), 0)
      return mul(chosen, isAt(from, to))
    },
  }
}

/** Random signs times a root, for every block its own: the signs of different columns and blocks cancel on average. */
function signed(loss: CurvedLoss, root: Tensor, { draws, seed }: Sampling): Tensor {
  const { samples, blocks, within } = blocksOf(loss)
  const each = root.shape[0]!
  const stream = `signs:${loss.definition.name}`
  const u = random([draws, samples, ...blocks, each], { distribution: 'uniform', seed, stream })
  const signs = where(less(u, 0.5), -1, 1)
  const axes = signs.shape.map((_, axis) => axis)
  const first = transpose(signs, [0, axes.length - 1, ...axes.slice(1, -1)])
  const alike = reshape(first, [draws, each, samples, ...blocks, ...within.map(() => 1)])
  return mul(sum(mul(root, alike), [1]), 1 / Math.sqrt(draws))
}
