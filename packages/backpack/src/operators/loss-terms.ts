/**
 * @file How much a batch's loss counts in that of all batches. Under "mean" it is its part of the terms that are averaged over – or of
 * their weights –, so that all batches together have the loss of one big batch; under "sum" every batch counts once.
 */
import {
  type AnyTensor,
  BeyondgradError,
  dependents,
  sum,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'

/** Of the marked losses together; unknown where there is none. */
export type Reductions = 'mean' | 'sum' | 'mixed' | 'unknown'

/** What each marked loss of a batch averages over. */
export interface LossTerms {
  readonly reduction: Reductions
  /** Under "mean", for each marked loss the number of its terms, or the sum of their weights. */
  readonly terms: readonly (number | Tensor)[]
}

/** Reads the marked losses of a loss that depend on parameters, whose leaves are given. */
export function lossTerms(loss: Tensor, parameters: ReadonlySet<AnyTensor>): LossTerms {
  const order = topologicalOrder([loss])
  const affected = dependents(order, (node) => parameters.has(node))
  const marked = order.filter((node) => affected.has(node) && 'loss' in node.op)
  const [first = 'unknown', ...others] = new Set(
    marked.map(({ attributes }) => attributes.reduction as 'mean' | 'sum'),
  )
  const reduction = others.length > 0 ? 'mixed' : first
  return { reduction, terms: reduction === 'mean' ? marked.map(termsOf) : [] }
}

/** The divisor of a mean: given by the loss, known beforehand, or the sum of the weights. */
function termsOf({ inputs, attributes }: AnyTensor): number | Tensor {
  if (attributes.divided === true) return inputs.at(-1) as Tensor
  return (attributes.divisor as number | undefined) ?? sum(inputs[2] as Tensor)
}

/** Adds up what batches have, each by its share of the whole. */
export interface ShareOfBatches {
  /** What a batch's results are multiplied with, before `whole` divides. */
  weight(batch: { readonly terms: readonly number[]; readonly share: number | undefined }): number
  /** What the sum is divided by in the end. Throws `value` if the losses of a batch have different shares. */
  whole(): number
}

/** How far apart shares may be that are the same but for rounding. */
const sameShare = 1e-5

export function shareOfBatches(what: string): ShareOfBatches {
  const seen: (readonly number[])[] = []
  let averaged = false
  return {
    weight: ({ terms, share }) => {
      if (share !== undefined || terms.length === 0) return share ?? 1
      averaged = true
      seen.push(terms)
      return terms[0]!
    },
    whole: () => {
      if (!averaged) return 1
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
