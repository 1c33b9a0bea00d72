/** @file Histograms of gradient entries: of the latest step, and how they came about, since their edges go with the gradient. */
import { scaleSymlog } from 'd3-scale'
import { beside, gauge, type GaugeContext, type GaugeOf, toneOf, whole } from '../gauge.ts'
import { type Histogram1d, histograms1d, rebinned, shadesOf } from '../histograms.ts'
import type { PlotMark, PlotPanel } from '../plot.ts'
import { missing, type NamedRun } from '../series.ts'
import { spread } from '../thinning.ts'
import { stepAxis, upTo } from '../time-panel.ts'

const needs = (run: NamedRun): string[] =>
  histograms1d(run.run).length > 0 ? [] : [missing(run, 'GradHist1d')]

/** Of one run counts; of several what share of the entries there is at a value, which bins of different widths have in common. */
export const gradientHistogramGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-histogram',
      title: 'Gradient entries',
      description:
        "Entries of the samples' gradients at the latest step. A spike at zero without flanks is a gradient that vanishes; mass at the ends one that explodes.",
    },
    context,
    needs,
    (having) => whole(latestPanel(context, having)),
  )

function latestPanel(context: GaugeContext, having: readonly NamedRun[]): PlotPanel {
  const each = having.map((run) => ({
    run,
    histogram: histograms1d(run.run).at(-1)!,
    tone: toneOf(context, run),
  }))
  const steps = new Set(each.map(({ histogram }) => histogram.step))
  const notes = each.flatMap(({ run, histogram, tone }) =>
    noteOf(histogram).map((note) => (tone === undefined ? note : `${run.name}: ${note}`)),
  )
  return {
    title:
      steps.size === 1
        ? `Gradient entries, step ${each[0]!.histogram.step}`
        : 'Gradient entries, latest step',
    x: { label: 'gradient entry', scale: 'linear' },
    y: { label: each.length > 1 || context.runs.length > 1 ? 'density' : 'entries', scale: 'log' },
    marks: each.map(({ run, histogram: { counts, edges }, tone }): PlotMark => {
      if (tone === undefined)
        return { mark: 'bar', name: '', edges, lengths: counts, tone: 'orange', opacity: 0.8 }
      const total = counts.reduce((a, b) => a + b, 0) || 1
      const lengths = counts.map((count, i) => count / total / (edges[i + 1]! - edges[i]!))
      return { mark: 'outline', name: run.name, edges, lengths, tone }
    }),
    ...(notes.length > 0 && { note: notes.join('; ') }),
  }
}

function noteOf({ counts, outside: [below, above], notFinite }: Histogram1d): string[] {
  const total = counts.reduce((a, b) => a + b, 0)
  return [
    ...(below + above > 0
      ? [`${below + above} of ${total} entries are outside the range, in the end bins`]
      : []),
    ...(notFinite > 0 ? [`${notFinite} entries are not finite`] : []),
  ]
}

/** Steps as columns, values of entries as rows. */
export const histogramHistoryGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-history',
      title: 'Gradient entries over time',
      description:
        "How the histogram of the samples' gradient entries changes over the steps: darker for more, on a logarithmic scale.",
    },
    context,
    needs,
    (having) => beside(having.map((run) => historyPanel(context, run))),
  )

const [mostColumns, rows] = [120, 48]

function historyPanel(context: GaugeContext, run: NamedRun): PlotPanel {
  const all = histograms1d(run.run)
  const looked = spread(all.length, 3 * mostColumns).map((i) => all[i]!)
  const ends = looked.map(({ edges }) => Math.max(Math.abs(edges[0]!), Math.abs(edges.at(-1)!)))
  const end = ends.reduce((a, b) => Math.max(a, b), 0) || 1
  // As fine at zero as most of the histograms are.
  const linearWithin = (ends.toSorted((a, b) => a - b)[Math.floor(ends.length / 2)]! || end) / 10
  const scale = scaleSymlog().constant(linearWithin).domain([-end, end]).range([0, rows])
  const edges = Array.from({ length: rows + 1 }, (_, i) => scale.invert(i))
  const columns = columnsOf(looked, edges, all.at(-1)!.step)
  const cells = columns.flatMap(({ from, to, counts }) =>
    counts.flatMap((count, row) =>
      count > 0 ? [{ from, to, low: edges[row]!, high: edges[row + 1]!, count }] : [],
    ),
  )
  return {
    title: context.runs.length > 1 ? `Gradient entries, ${run.name}` : 'Gradient entries over time',
    x: stepAxis(upTo(context.steps, columns.at(-1)!.to)),
    y: { label: 'gradient entry', scale: 'symlog', linearWithin, range: [-end, end] },
    marks: [
      {
        mark: 'cell',
        name: '',
        x: cells.map(({ from }) => from),
        x2: cells.map(({ to }) => to),
        y: cells.map(({ low }) => low),
        y2: cells.map(({ high }) => high),
        shade: shadesOf(cells.map(({ count }) => count)),
        tone: toneOf(context, run) ?? 'blue',
      },
    ],
  }
}

interface Column {
  readonly from: number
  readonly to: number
  readonly counts: readonly number[]
}

/** Histograms in common bins, those of several steps as their mean; each column goes to where the next one begins. */
function columnsOf(all: readonly Histogram1d[], edges: readonly number[], last: number): Column[] {
  const count = Math.min(mostColumns, all.length)
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * all.length) / count))
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? all.length
    const sum = new Array<number>(edges.length - 1).fill(0)
    for (const one of all.slice(start, end))
      rebinned(one, edges).forEach((value, row) => (sum[row]! += value / (end - start)))
    const from = all[start]!.step
    const before = i > 0 ? from - all[starts[i - 1]!]!.step : 1
    return { from, to: all[end]?.step ?? Math.max(last, from) + before, counts: sum }
  })
}
