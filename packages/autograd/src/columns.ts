/** @file Columns: what second order brings to one parameter, in factored form where there is one. */
import {
  BeyondgradError,
  concat,
  formatShape,
  gatherAt,
  guard,
  matmul,
  mul,
  placeholder,
  reshape,
  type Shape,
  sizeOf,
  slice,
  square,
  sum,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import type { DiagonalPart } from './boundary.ts'
import { columnGram } from './column-gram.ts'
import { weightedTotals } from './column-totals.ts'
import * as contraction from './contraction.ts'
import { vjp } from './derivative.ts'
import * as indexed from './indexed-contraction.ts'
import {
  type InputMoments,
  type KroneckerColumns,
  type KroneckerFactors,
  kroneckerFactors,
  type KroneckerMode,
  placeKronecker,
} from './kronecker.ts'
import { pickIndices, type SamplePick, useOfSamples } from './some-samples.ts'
import {
  type Factors,
  materialized,
  multipliedOut,
  perSampleOf,
  type PlacedFactors,
  sumOf,
  type Use,
} from './use.ts'

/** Columns that arrive together, all weighted alike or each (column, sample) with a weight of its own. */
export interface WeightedUse {
  /** As `joinUses` leaves them. */
  readonly uses: readonly Use[]
  /** A number for all (scalar tensor), or [V, N]. */
  readonly weight: Tensor
  readonly columns: number
}

/**
 * Second-order columns at one parameter: the curvature is Σ over columns and samples of w · P Pᵀ. Columns come in
 * chunks; a Hessian adds parts that are diagonal and have been summed already.
 */
export interface Columns {
  readonly samples: number
  /** Number of columns, before diagonal parts. */
  readonly columns: number
  /**
   * For contractions of one's own: the factors of columns that travelled together, and their weights. Throws `unsupported`
   * where they are not all of the curvature.
   */
  chunks(): readonly ColumnChunk[]
  /**
   * The same columns in the factors whose second moments `kroneckerFactors` gives. They differ from those of `chunks` for
   * transposed convolutions, whose weight can be factored either way.
   */
  kroneckerChunks(): readonly ColumnChunk[]
  /** The diagonal of the curvature: Σ w P², as [...parameter.shape]. */
  sumOfSquares(): Tensor
  /** The same for every sample: Σ over columns of w P², as [N, ...parameter.shape]. */
  sampleSquares(): Tensor
  /** The trace of every sample's part of the curvature: Σ over columns of w ‖P‖², as [N]. */
  squaredNorms(): Tensor
  /**
   * The columns of some of the samples, by their indices; one that is named twice counts twice. The scale stays that of the whole
   * batch, and so do the draws. Throws `value` for an index that is none.
   */
  ofSamples(indices: readonly number[]): Columns
  /**
   * ⟨√w P[v, n], √w' P[v', n']⟩ for every pair of columns, in the order of `materialize`: [V·N, V·N]. Throws as that does; the
   * columns are written out only where nothing better is known.
   */
  gram(): Tensor
  /**
   * Σ over columns and samples of weights · √w P, for each of K weights [K, V, N]: [K, ...parameter.shape]. Throws as
   * `materialize`.
   */
  weightedSums(weights: Tensor): Tensor
  /** ⟨√w P, vector⟩ for every column and sample, [V, N]; vector [...parameter.shape]. Throws as `materialize`. */
  dot(vector: Tensor): Tensor
  /** The block as a Kronecker product, or exactly where it is that of a bias or a scale. Throws `unsupported` as `materialize`. */
  kroneckerFactors(mode: KroneckerMode, inputs?: InputMoments): KroneckerFactors
  /**
   * Which entry of the parameter is which row of the factors: what is said of each entry in their order – [...lead, G, O, I], with
   * G = 1 where there are no groups, or [...lead, size] where there is only `output` – as [...lead, ...parameter.shape].
   */
  placeKronecker(result: Tensor, lead: number): Tensor
  /**
   * √w P: [V, N, ...parameter.shape], so that the curvature is Σ P Pᵀ. Throws `unsupported` where that would not be all
   * (an exact Hessian); a negative scale of the loss, which has no root, fails at the run with a `DataError`.
   */
  materialize(): Tensor
}

/** Columns that arrived together. */
export interface ColumnChunk {
  /** With an axis of columns in front. */
  readonly factors: Factors
  /** w: one number for all, or [V, N]. */
  readonly weight: Tensor
  /** [...lead, layout of the factors] → [...lead, ...parameter.shape]. */
  place(result: Tensor, lead: number): Tensor
  /** The transpose of `place` without leading axes: [...parameter.shape] → layout of the factors. */
  lay(vector: Tensor): Tensor
}

/** Chunks of columns and parts that are diagonal, as what arrives at a parameter. */
export function columnsOf(
  chunks: readonly WeightedUse[],
  diagonals: readonly DiagonalPart[],
  samples: number,
  { name, shape }: { readonly name: string; readonly shape: Shape },
): Columns {
  const demandColumns = (what: string, alike: boolean): void => {
    if (diagonals.length === 0 && !(alike && chunks.some(({ weight }) => sizeOf(weight.shape) !== 1))) return
    throw new BeyondgradError(
      'unsupported',
      `${what}: the curvature of parameter "${name}" of shape ${formatShape(shape)} has parts of either sign (an exact Hessian, or a loss without a root), and only its diagonal is available`,
    )
  }
  /** Every chunk as one use. */
  const single = (): readonly KroneckerColumns[] =>
    chunks.map(({ uses, weight }) => ({
      use: uses.length === 1 ? uses[0]! : multipliedOut(uses, true),
      weight,
    }))
  return {
    samples,
    columns: chunks.reduce((count, chunk) => count + chunk.columns, 0),
    sumOfSquares: () => {
      const parts = [...chunks.map(weightedSquares), ...diagonals.map((part) => part.summed())]
      return parts.length === 0 ? zeros(shape) : sumOf(parts)
    },
    sampleSquares: () => {
      const parts = [...chunks.map(squaresBySample), ...diagonals.map((part) => part.perSample())]
      return parts.length === 0 ? zeros([samples, ...shape]) : sumOf(parts)
    },
    squaredNorms: () => {
      const parts = [
        ...chunks.map(normsBySample),
        ...diagonals.map((part) => sum(reshape(part.perSample(), [samples, sizeOf(shape)]), [1])),
      ]
      return parts.length === 0 ? zeros([samples]) : sumOf(parts)
    },
    ofSamples: (indices) => {
      const pick = pickIndices(indices, samples)
      const some = chunks.map(({ uses, weight, columns }) => ({
        uses: uses.map((use) => useOfSamples(use, pick, true)),
        weight: weight.shape.length === 0 ? weight : pick.take(weight, 1),
        columns,
      }))
      return columnsOf(
        some,
        diagonals.map((part) => diagonalOfSamples(part, pick)),
        pick.count,
        { name, shape },
      )
    },
    gram: () => {
      demandColumns('gram', true)
      if (chunks.length === 0) return zeros([0, 0])
      const [{ weight }] = chunks as readonly [WeightedUse]
      // What all have in common is multiplied in at the end.
      const isOne = chunks.every((chunk) => chunk.weight === weight)
      const roots = chunks.map(({ uses, weight: own }) => ({ uses, root: isOne ? undefined : root(own) }))
      const products = columnGram(roots, samples)
      return isOne ? mul(products, square(root(weight))) : products
    },
    weightedSums: (weights) => {
      demandColumns('weightedSums', true)
      const [count] = weights.shape as [number]
      if (chunks.length === 0 || count === 0) return zeros([count, ...shape])
      return sumOf(
        eachSpan(chunks).map(({ chunk, from, to }) => {
          const own = mul(slice(weights, 1, from, to), root(chunk.weight))
          return sumOf(chunk.uses.map((use) => use.place(weightedTotals(use.factors, own), 1)))
        }),
      )
    },
    dot: (vector) => {
      demandColumns('dot', true)
      if (chunks.length === 0) return zeros([0, samples])
      return concat(
        chunks.map(({ uses, weight }) => mul(sumOf(uses.map((use) => dotUse(use, vector))), root(weight))),
        0,
      )
    },
    chunks: () => {
      demandColumns('chunks', false)
      return single().map(({ use, weight }) => columnChunk(use, weight))
    },
    kroneckerChunks: () => {
      demandColumns('kroneckerChunks', false)
      return single().map(({ use, weight }) => columnChunk(use.kronecker?.() ?? use, weight))
    },
    kroneckerFactors: (mode, inputs = 'second-moment') => {
      demandColumns('Kronecker factors', false)
      return kroneckerFactors(single(), mode, inputs, name, shape)
    },
    placeKronecker: (result, lead) => {
      demandColumns('Kronecker factors', false)
      return placeKronecker(single(), shape, result, lead)
    },
    materialize: () => {
      demandColumns('materialize', true)
      if (chunks.length === 0) return zeros([0, samples, ...shape])
      return concat(
        chunks.map(({ uses, weight }) => mul(materialized(uses, true), root(weight))),
        0,
      )
    },
  }
}

function diagonalOfSamples(part: DiagonalPart, pick: SamplePick): DiagonalPart {
  const perSample = (): Tensor => pick.take(part.perSample(), 0)
  return { perSample, summed: () => sum(perSample(), [0]) }
}

function columnChunk(use: PlacedFactors, weight: Tensor): ColumnChunk {
  const { factors } = use
  return {
    factors,
    weight,
    place: (result, lead) => use.place(result, lead),
    lay: (vector) => {
      const result = placeholder(layoutShape(factors), 'float32', 'result')
      return vjp(use.place(result, 0), [result], vector)[0]!
    },
  }
}

/** The layout of the factors of one column and sample: [G, O, I], [rows, E], or the operand's. */
function layoutShape(factors: Factors): Shape {
  switch (factors.kind) {
    case 'outer':
      return [...factors.cotangent.shape.slice(2, 4), factors.input.shape[2]!]
    case 'indexed':
      return [factors.rows, factors.cotangent.shape.at(-1)!]
    case 'direct':
      return factors.perSample.shape.slice(2)
  }
}

/** Which of all columns each chunk has. */
function eachSpan(
  chunks: readonly WeightedUse[],
): { readonly chunk: WeightedUse; readonly from: number; readonly to: number }[] {
  let from = 0
  return chunks.map((chunk) => {
    const to = from + chunk.columns
    const span = { chunk, from, to }
    from = to
    return span
  })
}

/** ⟨P, vector⟩: [V, N]. */
function dotUse(use: Use, vector: Tensor): Tensor {
  const { factors } = use
  const entries = (x: Tensor): Tensor => sum(x, [...x.shape.keys()].slice(2))
  if (factors.kind === 'direct' || use.lay === undefined) {
    return entries(mul(use.place(perSampleOf(factors), 2), vector))
  }
  const laid = use.lay(vector)
  if (factors.kind === 'indexed') return entries(mul(factors.cotangent, gatherAt(laid, factors.indices, 0)))
  return entries(mul(factors.cotangent, matmul(laid, factors.input)))
}

/** √w; there is none of a negative scale. */
function root(weight: Tensor): Tensor {
  const what = 'materialize: the scale of the loss'
  return guard(weight, weight, { kind: 'not-negative', what }).sqrt()
}

/** Σ over columns and samples of w P²: [...parameter.shape]. */
function weightedSquares({ uses, weight }: WeightedUse): Tensor {
  const each = weight.shape.length === 0 ? undefined : weight
  const squares = sumOf(uses.map((use) => use.place(squaresOf(use, each), 0)))
  return each === undefined ? mul(squares, weight) : squares
}

/** Σ over columns of w P²: [N, ...parameter.shape]. */
function squaresBySample({ uses, weight }: WeightedUse): Tensor {
  const each = weight.shape.length === 0 ? undefined : weight
  const squares = sumOf(uses.map((use) => use.place(sampleSquaresOf(use, each), 1)))
  return each === undefined ? mul(squares, weight) : squares
}

function sampleSquaresOf({ factors }: Use, weight: Tensor | undefined): Tensor {
  if (factors.kind === 'outer') return contraction.sampleSquares(factors.cotangent, factors.input, weight)
  return sum(contraction.weighted(square(perSampleOf(factors)), weight), [0])
}

/** Σ over columns of w ‖P‖²: [N]. */
function normsBySample({ uses, weight }: WeightedUse): Tensor {
  // Uses have entries of the parameter to themselves, so that their squares add up.
  const norms = sumOf(uses.map((use) => columnNormsOf(use)))
  return sum(mul(norms, weight), [0])
}

/** ‖P‖² of every column and sample: [V, N]. */
function columnNormsOf({ factors }: Use): Tensor {
  switch (factors.kind) {
    case 'outer':
      return contraction.columnNorms(factors.cotangent, factors.input)
    case 'indexed':
      return indexed.columnNorms(factors)
    case 'direct': {
      const { perSample } = factors
      return sum(square(perSample), [...perSample.shape.keys()].slice(2))
    }
  }
}

function squaresOf({ factors }: Use, weight: Tensor | undefined): Tensor {
  switch (factors.kind) {
    case 'outer':
      return contraction.sumOfSquares(factors.cotangent, factors.input, weight)
    case 'indexed':
      return indexed.sumOfSquares(factors, weight)
    case 'direct':
      return sum(contraction.weighted(square(factors.perSample), weight), [0, 1])
  }
}
