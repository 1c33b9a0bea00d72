/**
 * @file Contributions: what each sample adds to the derivative of one parameter, in factored form where there is
 * one. A quantity is a reduction of contributions and never knows which layer it is looking at.
 */
import {
  BeyondgradError,
  matmul,
  mul,
  reshape,
  type Shape,
  sizeOf,
  square,
  sub,
  sum,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import { drawEntries, type DrawnEntries, type EntryDraw } from './entry-sample.ts'
import * as indexed from './indexed-contraction.ts'
import {
  type ChunkedSamples,
  chunkSize,
  type Fold,
  foldChunks,
  reduceChunks,
  type Reduced,
  type ReduceOptions,
  type SampleChunk,
} from './sample-chunks.ts'
import { pickIndices, pickRange, type SamplePick, useOfSamples } from './some-samples.ts'
import {
  type Factors,
  type IndexedFactors,
  joinUses,
  materialized,
  type OuterFactors,
  perSampleOf,
  sumOf,
  type Use,
} from './use.ts'

/** What each of N samples contributes to one parameter's gradient; with the scale of the loss in it. */
export interface Contribution {
  readonly samples: number
  /** The gradient: Σₙ P[n], as [...parameter.shape]. */
  sum(): Tensor
  /** Σₙ weights[n] P[n], as [...parameter.shape]; weights [N]. */
  weightedSum(weights: Tensor): Tensor
  /** P itself: [N, ...parameter.shape]. As large as it sounds: reduce instead where you can. */
  materialize(): Tensor
  /** ‖P[n]‖²: [N]. */
  squaredNorm(): Tensor
  /** Σₙ P[n]², as [...parameter.shape]. */
  sumOfSquares(): Tensor
  /** Σₙ (P[n] − mean)², as [...parameter.shape]; does not cancel. */
  centredSumOfSquares(): Tensor
  /** ⟨P[m], P[n]⟩: [N, N]. */
  gram(): Tensor
  /** ⟨P[n], vector⟩: [N]; vector [...parameter.shape]. */
  dot(vector: Tensor): Tensor
  /**
   * What some of the samples contribute, by their indices; one that is named twice counts twice. Its `sum` is theirs, and the scale
   * stays that of the whole batch. Throws `value` for an index that is none.
   */
  ofSamples(indices: readonly number[]): Contribution
  /**
   * Anything that can be said of the samples' gradients a few at a time: `each` makes a tensor (or several, by name) of a chunk
   * [n, ...parameter.shape], and `fold` one of those of all chunks. [N, ...parameter.shape] never exists, whatever the engine and
   * whoever else asks.
   */
  reduce<R extends Reduced>(
    each: (perSample: Tensor, chunk: SampleChunk) => R,
    fold: Fold,
    options?: ReduceOptions,
  ): R
  /**
   * Some entries of P, drawn once and for all, evenly over samples and entries, and what tensors of the parameter's shape have there.
   * Costs about as much as so many numbers, where P has factors.
   */
  draw(options: EntryDraw): DrawnEntries
  /** For contractions of one's own: the factors of the joined uses where they are one, else P itself. */
  readonly factors: Factors
}

/** What depends on the form that P has. */
type Reductions = Omit<Contribution, 'samples' | 'ofSamples' | 'reduce' | 'draw' | 'factors'>

/** What a contribution is made of. */
export interface ContributionParts {
  readonly samples: number
  /** Of the parameter. */
  readonly shape: Shape
  /** Asked for when something beyond the gradient is: it fails where samples mix. */
  readonly uses: () => readonly Use[]
  /** Their sum, if the ordinary backward pass has it anyway. */
  readonly gradient?: () => Tensor
  /** Bytes that samples' gradients may take where they have to be multiplied out. */
  readonly memory: number
}

/** The contribution of all uses of a parameter. */
export function contributionOf(parts: ContributionParts): Contribution {
  const { samples, uses, gradient, shape, memory } = parts
  let joined: { readonly uses: readonly Use[]; readonly reductions: readonly Reductions[] } | undefined
  const at = (): NonNullable<typeof joined> => {
    if (joined === undefined) {
      const found = joinUses(uses(), false)
      joined = { uses: found, reductions: found.map((use) => reductionsOf(use, samples)) }
    }
    return joined
  }
  // Uses have entries of the parameter to themselves, so that everything, squares too, adds up.
  const added = (each: (of: Reductions) => Tensor): Tensor => sumOf(at().reductions.map(each))
  const some = (pick: SamplePick): Contribution =>
    contributionOf({
      samples: pick.count,
      shape,
      memory,
      uses: () => uses().map((use) => useOfSamples(use, pick, false)),
    })
  const fitting = (): number => Math.min(samples, chunkSize(entriesOf(uses(), shape), memory))
  const chunked = (chunk = fitting()): ChunkedSamples => ({
    samples,
    chunk: checkChunk(chunk),
    perSample: (from, to, tokens) => some(pickRange(from, to, tokens)).materialize(),
  })
  // What can't stay factored is multiplied out a chunk at a time, if there is more than one.
  const isMultipliedOut = (): boolean =>
    at().uses.some(({ factors }) => factors.kind === 'direct') && fitting() < samples
  return {
    samples,
    sum: gradient ?? (() => added((of) => of.sum())),
    ofSamples: (indices) => some(pickIndices(indices, samples)),
    reduce: (each, fold, { chunk } = {}) => reduceChunks(chunked(chunk), each, fold),
    weightedSum: (weights) =>
      isMultipliedOut()
        ? reduceChunks(chunked(), (p, { rows }) => sum(mul(p, alongSamples(rows(weights), p)), [0]), 'sum')
        : added((of) => of.weightedSum(weights)),
    materialize: () => added((of) => of.materialize()),
    squaredNorm: () =>
      isMultipliedOut()
        ? reduceChunks(chunked(), (p) => sum(square(reshape(p, [p.shape[0]!, -1])), [1]), 'concat')
        : added((of) => of.squaredNorm()),
    sumOfSquares: () =>
      isMultipliedOut()
        ? reduceChunks(chunked(), (p) => sum(square(p), [0]), 'sum')
        : added((of) => of.sumOfSquares()),
    centredSumOfSquares: () =>
      isMultipliedOut() ? centredInChunks(chunked()) : added((of) => of.centredSumOfSquares()),
    gram: () => added((of) => of.gram()),
    dot: (vector) =>
      isMultipliedOut()
        ? reduceChunks(chunked(), (p) => rowsTimes(p, vector, p.shape[0]!), 'concat')
        : added((of) => of.dot(vector)),
    draw: (options) => drawEntries({ samples, shape, uses: at().uses, chunked }, options),
    get factors(): Factors {
      const [use, ...rest] = at().uses
      return rest.length === 0 ? use!.factors : { kind: 'direct', perSample: materialized(at().uses, false) }
    },
  }
}

/** Entries that one sample's gradient takes where it is made: more than the parameter has, if the op meets something made of it. */
function entriesOf(uses: readonly Use[], shape: Shape): number {
  const operands = uses.map(({ path, selects }) => {
    if (path === undefined || selects) return 0
    // What it takes to get through the computation in between.
    return 2 * sizeOf(path.operand.shape)
  })
  return Math.max(sizeOf(shape), ...operands)
}

function checkChunk(chunk: number): number {
  if (Number.isInteger(chunk) && chunk > 0) return chunk
  throw new BeyondgradError('value', `reduce: chunk is a positive number of samples, not ${chunk}`)
}

/** Σₙ (P[n] − mean)² in one go: the sums of chunks about their own means, and what lies between these (Chan et al., 1979). */
function centredInChunks(of: ChunkedSamples): Tensor {
  return foldChunks<{ readonly mean: Tensor; readonly spread: Tensor }>(of, (sofar, p, { from, to }) => {
    const own = p.mean([0])
    const spread = sum(square(sub(p, own)), [0])
    if (sofar === undefined) return { mean: own, spread }
    const [n, all] = [to - from, to]
    const away = sub(own, sofar.mean)
    return {
      mean: sofar.mean.add(mul(away, n / all)),
      spread: sofar.spread.add(spread).add(mul(square(away), (from * n) / all)),
    }
  }).spread
}

function reductionsOf(use: Use, samples: number): Reductions {
  const { factors } = use
  switch (factors.kind) {
    case 'outer':
      return factored(use, factors, samples)
    case 'indexed':
      return byRows(use, factors)
    case 'direct':
      return multipliedOut(use, factors.perSample, samples)
  }
}

function factored(use: Use, factors: OuterFactors, samples: number): Reductions {
  const { cotangent, input } = factors
  return {
    sum: () => use.place(contraction.total(cotangent, input), 0),
    weightedSum: (weights) =>
      use.place(contraction.total(mul(cotangent, alongSamples(weights, cotangent)), input), 0),
    materialize: () => use.place(perSampleOf(factors), 1),
    squaredNorm: () => contraction.squaredNorm(cotangent, input),
    sumOfSquares: () => use.place(contraction.sumOfSquares(cotangent, input), 0),
    centredSumOfSquares: () => use.place(contraction.centredSumOfSquares(cotangent, input), 0),
    gram: () => contraction.gram(cotangent, input),
    dot: (vector) =>
      use.lay === undefined
        ? rowsTimes(use.place(perSampleOf(factors), 1), vector, samples)
        : contraction.dot(cotangent, input, use.lay(vector)),
  }
}

function byRows(use: Use, factors: IndexedFactors): Reductions {
  const { cotangent } = factors
  return {
    sum: () => use.place(indexed.total(cotangent, factors), 0),
    weightedSum: (weights) =>
      use.place(indexed.total(mul(cotangent, alongSamples(weights, cotangent)), factors), 0),
    materialize: () => use.place(perSampleOf(factors), 1),
    squaredNorm: () => indexed.squaredNorm(factors),
    sumOfSquares: () => use.place(indexed.sumOfSquares(factors), 0),
    centredSumOfSquares: () => use.place(indexed.centredSumOfSquares(factors), 0),
    gram: () => indexed.gram(factors),
    dot: (vector) =>
      use.lay === undefined
        ? rowsTimes(use.place(perSampleOf(factors), 1), vector, cotangent.shape[0]!)
        : indexed.dot(factors, use.lay(vector)),
  }
}

function multipliedOut(use: Use, perSample: Tensor, samples: number): Reductions {
  return {
    sum: () => use.place(sum(perSample, [0]), 0),
    weightedSum: (weights) => use.place(sum(mul(perSample, alongSamples(weights, perSample)), [0]), 0),
    materialize: () => use.place(perSample, 1),
    squaredNorm: () => {
      const [, ...own] = perSample.shape.keys()
      return sum(square(perSample), own)
    },
    sumOfSquares: () => use.place(sum(square(perSample), [0]), 0),
    centredSumOfSquares: () => {
      const mean = perSample.mean([0], { keep: true })
      return use.place(sum(square(sub(perSample, mean)), [0]), 0)
    },
    gram: () => {
      const rows = reshape(perSample, [samples, -1])
      return matmul(rows, transposeLast(rows))
    },
    dot: (vector) => rowsTimes(use.place(perSample, 1), vector, samples),
  }
}

/** ⟨P[n], vector⟩ for P in the parameter's layout: [N]. */
function rowsTimes(perSample: Tensor, vector: Tensor, samples: number): Tensor {
  const rows = reshape(perSample, [samples, sizeOf(vector.shape)])
  return reshape(matmul(rows, reshape(vector, [-1, 1])), [samples])
}

/** `[N]` as it broadcasts with `[N, ...]`. */
function alongSamples(weights: Tensor, x: Tensor): Tensor {
  return reshape(weights, [...weights.shape, ...x.shape.slice(1).map(() => 1)])
}
