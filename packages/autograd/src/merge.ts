/**
 * @file How an extension's results of batches become that of all of them. A batch counts by its share of the whole's loss, so that
 * its result of degree d counts by the d-th power; how much the whole is need not be known before the end.
 */
import type { Extensions, Results } from './extension.ts'

/** The result of α > 0 times the loss is αᵈ times as large; 'none': no power of it. */
export type Degree = 0 | 0.5 | 1 | 2 | 'none'

/** One degree for all that a result holds, or one for every key of results that are objects. */
export type DegreeByKey = Degree | Readonly<Record<string, Degree>>

/**
 * How tensors of batches combine. 'concat' joins them along the first axis, `{ concat: axis }` along another; 'mean' weighs by the
 * number of samples; 'max' and 'min' go entry by entry.
 */
export type Combination = 'sum' | 'mean' | 'max' | 'min' | 'concat' | { readonly concat: number }

/** What one batch, or several that have been combined already, brings to a merge. */
export interface Part<out R, out N extends Extensions = Extensions> {
  /** As of a loss multiplied with the part's share of the whole's. */
  readonly result: R
  /** The results of what the extension needs, likewise. */
  readonly needs: Results<N>
  /** How many samples the part has. */
  readonly n: number
}

/**
 * How the results of batches combine to that of the whole, each of its share of the whole's loss: under "mean", the loss of n of N
 * samples counts n / N times (by terms or weights, where these are what is averaged over), and so its result (n / N)ᵈ times, d
 * being the degree.
 *
 * One combination for all tensors of the result, one for every key of results that are objects – as `{ output: 'sum', input: 'mean' }`
 * –, or a function from lazy results. It is called for two parts at a time, of which the first may be a merged one, in double
 * precision; and where it sees what the extension needs, that must have a merge, too.
 */
export type Merge<R, N extends Extensions = Extensions> =
  Combination | Readonly<Record<string, Combination>> | ((parts: readonly Part<R, N>[]) => R)

/** The axis of the samples, if the combination joins along one. */
export function concatAxis(how: Combination): number | undefined {
  if (how === 'concat') return 0
  return typeof how === 'object' ? how.concat : undefined
}
