/** @file Histograms on the host: equal bins, of numbers that each stand for as many as they were drawn of. */
import { BeyondgradError } from '@beyondgrad/tensor'

/** From the lower end of the first bin to the upper end of the last. */
export type Range = readonly [low: number, high: number]

/** Bins along one axis. */
export interface Bins {
  readonly count: number
  readonly range: Range
}

/** count + 1 ends of bins. */
export function edgesOf({ count, range: [low, high] }: Bins): number[] {
  return Array.from({ length: count + 1 }, (_, i) => (i === count ? high : low + ((high - low) * i) / count))
}

/** The bin of a number; beyond the range it is the first or the last. */
export function binOf(value: number, count: number, low: number, high: number): number {
  // The fraction first: zero in the middle of a symmetric range is exactly one half.
  const bin = Math.floor(((value - low) / (high - low)) * count)
  return bin < 0 ? 0 : bin >= count ? count - 1 : bin
}

const placeIn =
  ({ count, range: [low, high] }: Bins): ((value: number) => number) =>
  (value) =>
    binOf(value, count, low, high)

/** Which numbers there are, by bins, and what no bin can hold. */
export interface Counts {
  readonly counts: number[]
  /** Numbers below and above the range; they count in the end bins. */
  readonly outside: [below: number, above: number]
  /** NaN and infinite numbers, which are in no bin. */
  readonly notFinite: number
}

/** Entries that were drawn, those of one parameter after those of another. */
export interface Drawn {
  readonly name: string
  readonly from: number
  readonly to: number
  /** What each stands for. */
  readonly share: number
}

/** Counts numbers by bins. */
export function countBins(values: ArrayLike<number>, drawn: readonly Drawn[], bins: Bins): Counts {
  const counts = new Float64Array(bins.count)
  const [low, high] = bins.range
  let below = 0
  let above = 0
  let notFinite = 0
  for (const { from, to, share } of drawn) {
    for (let i = from; i < to; i++) {
      const value = values[i]!
      if (!Number.isFinite(value)) {
        notFinite += share
        continue
      }
      if (value < low) below += share
      else if (value > high) above += share
      counts[binOf(value, bins.count, low, high)]! += share
    }
  }
  return {
    counts: Array.from(counts, Math.round),
    outside: [Math.round(below), Math.round(above)],
    notFinite: Math.round(notFinite),
  }
}

/** Counts pairs by bins of both; the first counts rows. A pair with a number that is not finite is in none. */
export function countPairs(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  drawn: readonly Drawn[],
  bins: readonly [Bins, Bins],
): { readonly counts: number[][]; readonly notFinite: number } {
  const [rows, columns] = bins
  const row = placeIn(rows)
  const column = placeIn(columns)
  const flat = new Float64Array(rows.count * columns.count)
  let notFinite = 0
  for (const { from, to, share } of drawn) {
    for (let i = from; i < to; i++) {
      if (!Number.isFinite(first[i]!) || !Number.isFinite(second[i]!)) notFinite += share
      else flat[row(first[i]!) * columns.count + column(second[i]!)]! += share
    }
  }
  const counts = Array.from({ length: rows.count }, (_, row) =>
    Array.from(flat.subarray(row * columns.count, (row + 1) * columns.count), Math.round),
  )
  return { counts, notFinite: Math.round(notFinite) }
}

/** The largest of the absolute values that are finite; 0 if there is none. */
export function largestOf(values: ArrayLike<number>): number {
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    if (size > largest && size < Infinity) largest = size
  }
  return largest
}

export interface Adaptation {
  /** Share that is added at both ends. Default: 0. */
  readonly padding?: number
  /** The smallest width. Default: 10⁻⁶. */
  readonly minSize?: number
}

/** The range from −e to e that holds numbers up to some size. */
export function rangeFor(largest: number, { padding = 0, minSize = 1e-6 }: Adaptation = {}): Range {
  const end = (1 + padding) * Math.max(minSize / 2, largest)
  return [-end, end]
}

export function checkBins(name: string, count: number, range: Range | undefined): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new BeyondgradError('value', `${name}: takes a positive number of bins, not ${count}`)
  }
  if (range !== undefined && !(range[0] < range[1] && Number.isFinite(range[1] - range[0]))) {
    throw new BeyondgradError(
      'value',
      `${name}: a range goes from a lower to a higher number, not from ${range.join(' to ')}`,
    )
  }
}
