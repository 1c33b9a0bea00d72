/** @file What one process measures, and what it reports. */

/** What a worker is asked to measure: these quantities together, in one execution with the loss. */
export interface MeasurementRequest {
  readonly problem: string
  readonly batch: number
  readonly engine: string
  readonly threads: number | undefined
  /** Quantity names. */
  readonly quantities: readonly string[]
  /** Seconds to repeat for. */
  readonly seconds: number
  /** MiB that second-order columns at one node may take; undefined: the library's default. */
  readonly memory: number | undefined
  /** Packages or files of plugins. */
  readonly plugins: readonly string[]
}

/** Times of runs after the first, in milliseconds, and what else the process saw. */
export interface Measurement {
  readonly median_ms: number
  readonly q1_ms: number
  readonly q3_ms: number
  readonly runs: number
  /** Peak resident memory of the process that measured it, after the first run and at the end. */
  readonly first_peak_mb: number
  readonly peak_mb: number
  /** Resident memory at the end. */
  readonly resident_mb: number
  /** From the call to the first result: trace, lowering, session, first run. */
  readonly first_ms: number
  /** Building the graph alone, a node. */
  readonly build_us_per_node: number
  readonly nodes: number
  readonly threads: number
}

/** What there was to measure; `refused` says why a network does not have these quantities. */
export type Answered = { readonly measurement: Measurement } | { readonly refused: string }

/** What a worker sends. */
export type Answer = Answered | { readonly error: string }

/** The value at a fraction of a sorted list. */
export function quantile(sorted: readonly number[], fraction: number): number {
  const at = (sorted.length - 1) * fraction
  const low = Math.floor(at)
  const high = Math.min(low + 1, sorted.length - 1)
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low)
}
