/** @file What all questions about a spectrum have in common. */
import type { BackwardOptions } from '@beyondgrad/autograd'
import type { Engine } from '@beyondgrad/tensor'
import type { ParameterGroups } from './groups.ts'
import type { Route } from './route.ts'

/** Those that all questions have in common. */
export interface CommonOptions extends BackwardOptions {
  /** Default: 'all', the whole network. */
  readonly groups?: ParameterGroups
  /**
   * 'exact' (default): the columns of the loss Hessian's square root – C − 1 a sample for cross-entropy on C classes –, or a number of
   * Monte-Carlo columns a sample.
   */
  readonly columns?: 'exact' | number
  /** Seeds the Monte-Carlo draws. Default: 0. */
  readonly seed?: number
  /** The samples whose curvature counts, by index; they stand for the whole batch. Default: all of them. */
  readonly curvatureSamples?: readonly number[]
  /** Default: the current engine. */
  readonly engine?: Engine
  /** Stops between the steps, and a run where the engine can. */
  readonly signal?: AbortSignal
  /** Told before every step. */
  readonly onProgress?: (progress: SpectrumProgress) => void
}

export interface SpectrumOptions extends CommonOptions {
  /** Through which matrix. Default: the smaller one of each group. */
  readonly route?: Exclude<Route, 'lanczos'>
}

/** What is being done. */
export interface SpectrumProgress {
  readonly step: 'matrix' | 'products' | 'eigenvalues' | 'directions'
  /** Which group, from 0, and of how many, where that is told apart. */
  readonly group?: number
  readonly groups: number
  /** Products with vectors so far, on the route by Lanczos. */
  readonly products?: number
}
