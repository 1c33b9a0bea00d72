/** @file Quantities of some of a batch's samples. */
import type { Combination } from '@beyondgrad/autograd'
import { BeyondgradError } from '@beyondgrad/tensor'

export interface SubsampleOptions {
  /**
   * Only these samples of the batch count, by their indices from 0 on, in this order; one that is named twice counts twice. The loss
   * and its scale stay those of the whole batch (under "mean" each gradient still carries 1/N), and so do Monte-Carlo draws. Indices
   * belong to one batch: `accumulate` refuses a quantity that has some. Default: all samples.
   */
  readonly subsample?: readonly number[] | undefined
}

/** Throws `value` for indices that are none in any batch; those past its end are found out when there is one. */
export function checkSubsample(name: string, subsample: readonly number[] | undefined): void {
  if (subsample === undefined) return
  const isList = Array.isArray(subsample) && subsample.length > 0
  if (isList && subsample.every((n) => Number.isInteger(n) && n >= 0)) return
  throw new BeyondgradError(
    'value',
    `${name}: subsample is a list of at least one index of a sample, 0 or more, not ${JSON.stringify(subsample)}`,
  )
}

/** What arrived, of the chosen samples. */
export function chosen<A extends { ofSamples(indices: readonly number[]): A }>(
  arrived: A,
  subsample: readonly number[] | undefined,
): A {
  return subsample === undefined ? arrived : arrived.ofSamples(subsample)
}

/** Among the options by which an extension is known. */
export const subsampleKey = (subsample: readonly number[] | undefined): string | null =>
  subsample?.join() ?? null

/** How batches combine, where all of a batch counts. */
export function mergeOfAll<M extends Combination>(
  subsample: readonly number[] | undefined,
  merge: M,
): { readonly merge?: M } {
  return subsample === undefined ? { merge } : {}
}
