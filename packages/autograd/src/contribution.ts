/**
 * @file Contributions: what each sample adds to the derivative of one parameter, in factored form where there is
 * one. A quantity is a reduction of contributions and never knows which layer it is looking at.
 */
import {
  matmul,
  mul,
  reshape,
  sizeOf,
  square,
  sub,
  sum,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import * as indexed from './indexed-contraction.ts'
import { pickIndices, useOfSamples } from './some-samples.ts'
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
  /** For contractions of one's own: the factors of the joined uses where they are one, else P itself. */
  readonly factors: Factors
}

/** What depends on the form that P has. */
type Reductions = Omit<Contribution, 'samples' | 'ofSamples' | 'factors'>

/**
 * The contribution of all uses of a parameter.
 *
 * @param uses asked for when something beyond the gradient is: it fails where samples mix
 * @param gradient their sum, if the ordinary backward pass has it anyway
 */
export function contributionOf(
  uses: () => readonly Use[],
  samples: number,
  gradient?: () => Tensor,
): Contribution {
  let joined: { readonly uses: readonly Use[]; readonly parts: readonly Reductions[] } | undefined
  const at = (): NonNullable<typeof joined> => {
    if (joined === undefined) {
      const found = joinUses(uses(), false)
      joined = { uses: found, parts: found.map((use) => reductionsOf(use, samples)) }
    }
    return joined
  }
  // Uses have entries of the parameter to themselves, so that everything, squares too, adds up.
  const added = (each: (part: Reductions) => Tensor): Tensor => sumOf(at().parts.map(each))
  return {
    samples,
    sum: gradient ?? (() => added((part) => part.sum())),
    ofSamples: (indices) => {
      const pick = pickIndices(indices, samples)
      return contributionOf(() => uses().map((use) => useOfSamples(use, pick, false)), pick.count)
    },
    weightedSum: (weights) => added((part) => part.weightedSum(weights)),
    materialize: () => added((part) => part.materialize()),
    squaredNorm: () => added((part) => part.squaredNorm()),
    sumOfSquares: () => added((part) => part.sumOfSquares()),
    centredSumOfSquares: () => added((part) => part.centredSumOfSquares()),
    gram: () => added((part) => part.gram()),
    dot: (vector) => added((part) => part.dot(vector)),
    get factors(): Factors {
      const [use, ...rest] = at().uses
      return rest.length === 0 ? use!.factors : { kind: 'direct', perSample: materialized(at().uses, false) }
    },
  }
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
    centredSumOfSquares: () => {
      const whole = use.total?.() ?? contraction.total(cotangent, input)
      return use.place(contraction.centredSumOfSquares(cotangent, input, whole), 0)
    },
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
