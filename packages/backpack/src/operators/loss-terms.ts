/**
 * @file How much a batch's loss counts in that of all batches. Under "mean" it is its part of the terms that are averaged over – or of
 * their weights –, so that all batches together have the loss of one big batch; under "sum" every batch counts once.
 */
import { type MarkedLoss, markedLosses, type Parameter } from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'

/** Of the marked losses together; unknown where there is none, or where the loss is no linear combination of them. */
export type Reductions = 'mean' | 'sum' | 'mixed' | 'unknown'

/** What each marked loss of a batch averages over. */
export interface LossTerms {
  readonly reduction: Reductions
  /** For each marked loss 1 / terms (or 1 / Σ weights) under "mean", 1 under "sum". */
  readonly normalizers: readonly (number | Tensor)[]
  /** What each is multiplied with besides. */
  readonly factors: readonly Tensor[]
}

/** Reads the marked losses of a loss. */
export function lossTerms(loss: Tensor, parameters: readonly Parameter[]): LossTerms {
  const losses = combinedLosses(loss, parameters)
  const [first = 'unknown', ...others] = new Set(losses.map(({ reduction }) => reduction))
  return {
    reduction: others.length > 0 ? 'mixed' : first,
    normalizers: losses.map(({ normalizer }) => normalizer.known ?? normalizer.value),
    factors: losses.map(({ factor }) => factor),
  }
}

function combinedLosses(loss: Tensor, parameters: readonly Parameter[]): readonly MarkedLoss[] {
  try {
    return markedLosses(loss, parameters)
  } catch (error) {
    // One batch can do with any loss.
    if (error instanceof BeyondgradError && error.code === 'not-a-loss') return []
    throw error
  }
}

/** `LossTerms` of a batch that has been run, and its share if that is given. */
export interface BatchTerms {
  readonly reduction: Reductions
  readonly normalizers: readonly number[]
  readonly factors: readonly number[]
  readonly share: number | undefined
}

/** Adds up what batches have, each by its share of the whole. */
export interface ShareOfBatches {
  /**
   * What a batch's results are multiplied with, before `whole` divides. Throws `value` if its losses are multiplied with other factors
   * than those of the first batch.
   */
  weight(batch: BatchTerms): number
  /** What the sum is divided by in the end. Throws `value` if the losses of a batch have different shares. */
  whole(): number
}

/** How far apart shares may be that are the same but for rounding. */
const sameShare = 1e-5

export function shareOfBatches(what: string): ShareOfBatches {
  const seen: (readonly number[])[] = []
  let first: readonly number[] | undefined
  return {
    weight: ({ reduction, normalizers, factors, share }) => {
      if (share !== undefined) return share
      first ??= factors
      demandSameFactors(what, factors, first)
      if (reduction !== 'mean') return 1
      const terms = normalizers.map((normalizer) => 1 / normalizer)
      seen.push(terms)
      return terms[0]!
    },
    whole: () => {
      if (seen.length === 0) return 1
      const totals = seen[0]!.map((_, i) => seen.reduce((total, terms) => total + terms[i]!, 0))
      for (const terms of seen) {
        const shares = terms.map((each, i) => each / totals[i]!)
        const odd = shares.find((share) => Math.abs(share - shares[0]!) > sameShare)
        if (odd === undefined) continue
        throw new BeyondgradError(
          'value',
          `${what}: the losses of a batch count ${shares[0]} and ${odd} of all batches, as they average over different weights; say how much a batch counts with the option share, or use one batch`,
        )
      }
      return totals[0]!
    },
  }
}

function demandSameFactors(what: string, now: readonly number[], first: readonly number[]): void {
  const isSame = (factor: number, i: number): boolean =>
    Math.abs(factor - first[i]!) <= sameShare * Math.abs(first[i]!)
  if (now.length === first.length && now.every(isSame)) return
  throw new BeyondgradError(
    'value',
    `${what}: the losses of a batch are multiplied with ${now.join(', ')}, those of the first batch with ${first.join(', ')}, so that nothing says how much each counts; use the same factors for all batches, or say it with the option share`,
  )
}
