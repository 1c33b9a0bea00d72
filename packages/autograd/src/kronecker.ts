/**
 * @file Kronecker factors of a curvature block Σ w P Pᵀ, P = Σₗ s aᵀ: B ⊗ A for the row-major weight [O, I], B from the
 * columns s alone and A from the inputs a alone (quantities spec, section 8). All of the loss's scale is in B, A is a mean.
 */
import {
  BeyondgradError,
  formatShape,
  matmul,
  mul,
  ones,
  reshape,
  scatterAddAt,
  sizeOf,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'
import { inputMoments, weighted } from './contraction.ts'
import { type IndexedFactors, type OuterFactors, perSampleOf, sumOf, type Use } from './use.ts'

/**
 * What becomes of the L positions that share a weight: each by itself (`expand`), summed or averaged first (`reduce`;
 * Eschenhagen et al., NeurIPS 2023), or as BackPACK does, which sums columns but not inputs and so is about L times too large.
 */
export type KroneckerMode = 'expand' | 'reduce' | 'backpack'

/**
 * What A is made of: the second moments of the inputs, E[a aᵀ], or their means alone, E[a] E[a]ᵀ, as where E[Jᵀ H J] is taken for
 * E[J]ᵀ E[H] E[J] (Chen, Chou and Chang, 2018).
 */
export type InputMoments = 'second-moment' | 'mean'

/** B ⊗ A ≈ the block; without `input` the block is `output` itself, exactly. */
export interface KroneckerFactors {
  /** B: [O, O], or [G, O, O] for a weight of G groups. */
  readonly output: Tensor
  /** A: [I, I], or [G, I, I]; for a table that is read by index its diagonal [rows], how often each row is read. */
  readonly input?: Tensor
}

/** Columns that share one weight. */
export interface KroneckerColumns {
  readonly use: Use
  readonly weight: Tensor
}

/** Larger blocks than this many rows are refused where only the whole block is known. */
const largestBlock = 4096

const scaled = (x: Tensor, weight: Tensor): Tensor =>
  weight.shape.length === 0 ? mul(x, weight) : weighted(x, weight)

/** [V, N, G, O, L] → [G, O, V·N·L]. */
function byGroup(columns: Tensor): Tensor {
  const [, , groups, out] = columns.shape as [number, number, number, number]
  const moved = transpose(columns, [2, 3, 0, 1, 4])
  return reshape(moved, [groups, out, -1])
}

/** Without the axis of groups if there is one group. */
export const plain = (factor: Tensor): Tensor =>
  factor.shape[0] === 1 ? reshape(factor, factor.shape.slice(1)) : factor

/**
 * The factors of all chunks together.
 *
 * @param shape of the parameter, for messages
 */
export function kroneckerFactors(
  chunks: readonly KroneckerColumns[],
  mode: KroneckerMode,
  inputs: InputMoments,
  name: string,
  shape: readonly number[],
): KroneckerFactors {
  const table = chunks[0]?.use.factors
  if (table?.kind === 'indexed') {
    if (inputs === 'second-moment') return ofTable(chunks, table)
    throw new BeyondgradError(
      'unsupported',
      `Kronecker factors: parameter "${name}" of shape ${formatShape(shape)} is read by index, and the mean of such inputs says nothing; use inputs "second-moment"`,
    )
  }
  const outer = outerFactors(chunks)
  if (outer === undefined) return { output: wholeBlock(chunks, name, shape) }
  const { input } = outer[0]!.factors
  const { groups, inner } = { groups: input.shape[1]!, inner: input.shape[2]! }
  if (outer[0]!.factors.cotangent.shape[3]! * groups * inner !== sizeOf(shape)) {
    throw new BeyondgradError(
      'unsupported',
      `Kronecker factors: only a part of parameter "${name}" of shape ${formatShape(shape)} is a weight; use a diagonal quantity such as DiagGGN for it`,
    )
  }
  return { output: plain(outputFactor(outer, mode)), input: plain(inputFactor(input, mode, inputs)) }
}

/** The factors of every chunk; undefined where one has none, so that the whole block is known instead. */
function outerFactors(
  chunks: readonly KroneckerColumns[],
): readonly { readonly factors: OuterFactors; readonly weight: Tensor }[] | undefined {
  const outer = chunks.flatMap(({ use, weight }) => {
    const { factors } = use.kronecker?.() ?? use
    return factors.kind === 'outer' ? [{ factors, weight }] : []
  })
  return outer.length < chunks.length || outer.length === 0 ? undefined : outer
}

/**
 * What is said of each entry in the order of the factors – [...lead, G, O, I], or [...lead, size] where there is only `output` – in
 * the layout of the parameter.
 */
export function placeKronecker(
  chunks: readonly KroneckerColumns[],
  shape: readonly number[],
  result: Tensor,
  lead: number,
): Tensor {
  const front = result.shape.slice(0, lead)
  const use = chunks[0]?.use
  if (use?.factors.kind === 'indexed') {
    const rows = transposeLast(reshape(result, [...front, -1, use.factors.rows]))
    return use.place(rows, lead)
  }
  if (use === undefined || outerFactors(chunks) === undefined) return reshape(result, [...front, ...shape])
  return (use.kronecker?.() ?? use).place(result, lead)
}

/** One-hot inputs: A is diagonal, and positions are as if they were samples in every mode. */
function ofTable(chunks: readonly KroneckerColumns[], { indices, rows }: IndexedFactors): KroneckerFactors {
  const flat = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!])
  const output = sumOf(
    chunks.map(({ use, weight }) => {
      const { cotangent } = use.factors as IndexedFactors
      return matmul(transposeLast(flat(cotangent)), flat(scaled(cotangent, weight)))
    }),
  )
  const reads = sizeOf(indices.shape)
  const counts = scatterAddAt(ones([reads]), reshape(indices, [reads]), 0, rows)
  return { output, input: mul(counts, 1 / reads) }
}

/** B, chunk by chunk, so that not all columns are kept until the last is there. */
function outputFactor(
  chunks: readonly { readonly factors: OuterFactors; readonly weight: Tensor }[],
  mode: KroneckerMode,
): Tensor {
  return sumOf(
    chunks.map(({ factors, weight }) => {
      const columns = mode === 'expand' ? factors.cotangent : sum(factors.cotangent, [-1], { keep: true })
      return matmul(byGroup(columns), transposeLast(byGroup(scaled(columns, weight))))
    }),
  )
}

/** A of inputs [N, G, I, L]: [G, I, I]. */
export function inputFactor(input: Tensor, mode: KroneckerMode, inputs: InputMoments): Tensor {
  const [samples, , , positions] = input.shape as [number, number, number, number]
  const each = mode === 'reduce' ? mul(sum(input, [-1], { keep: true }), 1 / positions) : input
  const count = mode === 'expand' ? samples * positions : samples
  if (inputs === 'mean') {
    const mean = unsqueeze(mul(sum(each, [0, -1]), 1 / count), [-1])
    return matmul(mean, transposeLast(mean))
  }
  return mul(inputMoments(each), 1 / count)
}

/** Of biases, scales and the like: Σ w P Pᵀ itself. */
function wholeBlock(chunks: readonly KroneckerColumns[], name: string, shape: readonly number[]): Tensor {
  const size = sizeOf(shape)
  if (size > largestBlock) {
    throw new BeyondgradError(
      'unsupported',
      `Kronecker factors: parameter "${name}" of shape ${formatShape(shape)} is no weight of products, and its whole block has ${size}² entries; use a diagonal quantity such as DiagGGN for it`,
    )
  }
  return sumOf(
    chunks.map(({ use, weight }) => {
      const perSample = use.place(perSampleOf(use.factors), 2)
      const rows = [perSample, scaled(perSample, weight)].map((x) => reshape(x, [-1, size]))
      return matmul(transposeLast(rows[0]!), rows[1]!)
    }),
  )
}
