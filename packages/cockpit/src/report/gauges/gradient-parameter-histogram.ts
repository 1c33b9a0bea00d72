/** @file Gradient entries against the parameters that they belong to: of all, with what is seen along each axis, and of each parameter. */
import { beside, gauge, type GaugeContext, type GaugeOf, toneOf } from '../gauge.ts'
import { type Histogram2d, latest2d, shadesOf } from '../histograms.ts'
import type { PlacedPanel, PlotAxis, PlotMark, PlotPanel, Tone } from '../plot.ts'
import { missing, type NamedRun } from '../series.ts'

export const gradientParameterGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-parameter-histogram',
      title: 'Gradients against parameters',
      description:
        "Entries of the samples' gradients (upwards) against the value of the parameter (to the right) at the latest step: darker for more, on a logarithmic scale.",
    },
    context,
    (run) => (latest2d(run.run) === undefined ? [missing(run, 'GradHist2d')] : []),
    (having) => {
      const each = having.map((run) => ({ run, found: latest2d(run.run)!.all, tone: toneOf(context, run) }))
      const [first] = each
      return each.length === 1 && first!.tone === undefined
        ? withMarginals(first!.found)
        : beside(each.map(({ run, found, tone }) => heat(`Gradients, ${run.name}`, found, tone ?? 'blue')))
    },
  )

/** Of each parameter one, where the record has them; of the first run that has. */
export const parameterHistogramsGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-parameter-histogram-layers',
      title: 'Gradients against parameters, by parameter',
      description: 'The same for each parameter on its own.',
    },
    context,
    (run) =>
      (latest2d(run.run)?.parameters.size ?? 0) > 0
        ? []
        : ['GradHist2d({ perParameter: true }) is not among what was measured'],
    (having) => grid(context, having),
  )

const most = 12

function grid(context: GaugeContext, having: readonly NamedRun[]): PlacedPanel[] {
  const found = having.map((run) => ({ run, of: latest2d(run.run)!.parameters }))
  const names = [...new Set(found.flatMap(({ of }) => [...of.keys()]))]
  // Runs beside each other.
  const panels = names.flatMap((name) =>
    found.flatMap(({ run, of }) => {
      const histogram = of.get(name)
      const title = context.runs.length > 1 ? `${name}, ${run.name}` : name
      return histogram === undefined ? [] : [heat(title, histogram, toneOf(context, run) ?? 'blue')]
    }),
  )
  const shown = panels.slice(0, most)
  const columns = Math.min(having.length === 2 ? 4 : 3, shown.length)
  const rows = Math.ceil(shown.length / columns)
  return shown.map((panel, i) => ({
    panel:
      i === shown.length - 1 && panels.length > most
        ? { ...panel, note: `and ${panels.length - most} more parameters` }
        : panel,
    left: (i % columns) / columns,
    top: Math.floor(i / columns) / rows,
    width: 1 / columns,
    height: 1 / rows,
  }))
}

const ends = (edges: readonly number[]): [number, number] => [edges[0]!, edges.at(-1)!]

function heat(title: string, histogram: Histogram2d, tone: Tone): PlotPanel {
  const { counts, rowEdges, columnEdges, notFinite } = histogram
  const cells = counts.flatMap((row, i) =>
    row.flatMap((count, j) => (count > 0 ? [{ count, row: i, column: j }] : [])),
  )
  const [left, right] = ends(columnEdges)
  const [bottom, top] = ends(rowEdges)
  return {
    title,
    x: { label: 'parameter', scale: 'linear', range: [left, right] },
    y: { label: 'gradient entry', scale: 'linear', range: [bottom, top] },
    marks: [
      {
        mark: 'cell',
        name: '',
        x: cells.map(({ column }) => columnEdges[column]!),
        x2: cells.map(({ column }) => columnEdges[column + 1]!),
        y: cells.map(({ row }) => rowEdges[row]!),
        y2: cells.map(({ row }) => rowEdges[row + 1]!),
        shade: shadesOf(cells.map(({ count }) => count)),
        tone,
      },
      // At zero, wherever the range has it.
      ...(left < 0 && right > 0 ? [zero([0], [])] : []),
      ...(bottom < 0 && top > 0 ? [zero([], [0])] : []),
    ],
    ...(notFinite > 0 && { note: `${notFinite} entries are not finite` }),
  }
}

const zero = (x: readonly number[], y: readonly number[]): PlotMark => ({
  mark: 'rule',
  name: '',
  x,
  y,
  tone: 'grey',
  opacity: 0.5,
})

function withMarginals(histogram: Histogram2d): PlacedPanel[] {
  const { counts, rowEdges, columnEdges, step } = histogram
  const main = heat(`Gradients against parameters, step ${step}`, histogram, 'blue')
  const ofColumns = columnEdges.slice(1).map((_, j) => counts.reduce((sum, row) => sum + row[j]!, 0))
  const ofRows = counts.map((row) => row.reduce((a, b) => a + b, 0))
  const without = (axis: PlotAxis): PlotAxis => ({ ...axis, hidden: true })
  const entries: PlotAxis = { label: 'entries', scale: 'log', hidden: true }
  return [
    { panel: { ...main, title: '' }, left: 0, top: 0.26, width: 0.82, height: 0.74 },
    {
      panel: {
        title: main.title,
        x: { ...without(main.x), label: '' },
        y: { ...entries, label: '' },
        marks: [
          { mark: 'bar', name: '', edges: columnEdges, lengths: ofColumns, tone: 'blue', opacity: 0.6 },
        ],
      },
      left: 0,
      top: 0,
      width: 0.82,
      height: 0.26,
    },
    {
      panel: {
        title: '',
        x: entries,
        y: without(main.y),
        marks: [
          {
            mark: 'bar',
            name: '',
            edges: rowEdges,
            lengths: ofRows,
            lying: true,
            tone: 'blue',
            opacity: 0.6,
          },
        ],
      },
      left: 0.82,
      top: 0.26,
      width: 0.18,
      height: 0.74,
    },
  ]
}
