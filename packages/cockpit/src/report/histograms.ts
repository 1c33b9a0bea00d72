/** @file Histograms as runs have them, brought to common bins where they are to be seen beside each other. */
import type { LoggedValue } from '../log/run-line.ts'
import { type Run, seriesOf } from '../log/run.ts'

export interface Histogram1d {
  readonly step: number
  readonly counts: readonly number[]
  readonly edges: readonly number[]
  readonly outside: readonly [number, number]
  readonly notFinite: number
}

export interface Histogram2d {
  readonly step: number
  /** Rows of the gradient, columns of the parameter. */
  readonly counts: readonly (readonly number[])[]
  readonly rowEdges: readonly number[]
  readonly columnEdges: readonly number[]
  readonly notFinite: number
}

type RecordOf = Readonly<Record<string, LoggedValue>>

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'number')

const numberOr0 = (value: unknown): number => (typeof value === 'number' ? value : 0)

/** The histograms of a run's `GradHist1d`; what is no histogram is left out. */
export function histograms1d(run: Run): Histogram1d[] {
  const { steps, values } = seriesOf<RecordOf>(run, 'GradHist1d')
  return values.flatMap((value, i) => {
    const { counts, edges, outside, notFinite } = value
    if (!isNumbers(counts) || !isNumbers(edges) || edges.length !== counts.length + 1) return []
    const [below, above] = isNumbers(outside) ? outside : []
    return [
      {
        step: steps[i]!,
        counts,
        edges,
        outside: [below ?? 0, above ?? 0],
        notFinite: numberOr0(notFinite),
      } as const,
    ]
  })
}

/** The latest `GradHist2d` of a run, of all parameters, and of each where the record has them. */
export function latest2d(
  run: Run,
): { readonly all: Histogram2d; readonly parameters: ReadonlyMap<string, Histogram2d> } | undefined {
  const { steps, values } = seriesOf<RecordOf>(run, 'GradHist2d')
  for (let i = values.length - 1; i >= 0; i--) {
    const all = histogram2d(values[i]!, steps[i]!)
    if (all === undefined) continue
    const parameters = Object.entries((values[i]!.parameters ?? {}) as RecordOf).flatMap(([name, own]) => {
      // Those of our own log have the bins of the whole.
      const found = histogram2d({ edges: values[i]!.edges!, ...(own as RecordOf) }, steps[i]!)
      return found === undefined ? [] : [[name, found] as const]
    })
    return { all, parameters: new Map(parameters) }
  }
  return undefined
}

function histogram2d({ counts, edges, notFinite }: RecordOf, step: number): Histogram2d | undefined {
  if (!Array.isArray(counts) || !Array.isArray(edges) || !counts.every(isNumbers)) return undefined
  const [rowEdges, columnEdges] = edges as readonly LoggedValue[]
  if (!isNumbers(rowEdges) || !isNumbers(columnEdges) || rowEdges.length !== counts.length + 1)
    return undefined
  return {
    step,
    counts: counts as unknown as readonly number[][],
    rowEdges,
    columnEdges,
    notFinite: numberOr0(notFinite),
  }
}

/** Counts in other bins, as if the numbers of a bin were spread evenly over it. */
export function rebinned(
  { counts, edges }: Pick<Histogram1d, 'counts' | 'edges'>,
  to: readonly number[],
): number[] {
  const result = new Array<number>(to.length - 1).fill(0)
  let first = 0
  counts.forEach((count, bin) => {
    const [low, high] = [edges[bin]!, edges[bin + 1]!]
    while (first < result.length - 1 && to[first + 1]! <= low) first++
    for (let row = first; row < result.length && to[row]! < high; row++) {
      const overlap = Math.min(high, to[row + 1]!) - Math.max(low, to[row]!)
      if (overlap > 0) result[row]! += (count * overlap) / (high - low)
    }
  })
  return result
}

/** Shades of counts: log₁₀(count + 1) over that of the largest. */
export function shadesOf(counts: readonly number[]): number[] {
  const most = Math.log10(1 + counts.reduce((a, b) => Math.max(a, b), 0))
  return counts.map((count) => (most === 0 ? 0 : Math.log10(1 + count) / most))
}
