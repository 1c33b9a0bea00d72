/** @file The step length gauge: where steps end in the valley along them, as a distribution, since one batch alone is noisy. */
import { seriesOf } from '../../log/run.ts'
import { gauge, type GaugeContext, type GaugeOf, toneOf, whole } from '../gauge.ts'
import type { EdgeMark, PlotMark, PlotPanel, Tone } from '../plot.ts'
import { missing, type NamedRun, type Numbers, numbersOf, quantity } from '../series.ts'

const end = 1.5
const bins = 30

export const alphaGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'alpha',
      title: 'Step length α',
      description:
        'Where steps end on the parabola along them: −1 did not move, 0 at the minimum, 1 as high as before on the other side.',
    },
    context,
    (run) => {
      const { values, lost } = quantity(run.run, 'Alpha')
      if (values.length > 0) return []
      return [
        lost.values.length > 0
          ? `Alpha: none of ${lost.values.length} values is finite`
          : missing(run, 'Alpha'),
      ]
    },
    (having) => whole(panelOf(context, having)),
  )

function panelOf(context: GaugeContext, having: readonly NamedRun[]): PlotPanel {
  const valley = Array.from({ length: 61 }, (_, i) => -end + (i * end) / 30)
  const all = having.map((run) => ({ run, numbers: alphas(run), tone: toneOf(context, run) }))
  const notes = all.flatMap(({ run, numbers }) => {
    const text = noteOf(numbers)
    return text === undefined ? [] : [all.length > 1 ? `${run.name}: ${text}` : text]
  })
  return {
    title: 'Step length α',
    x: { label: 'α', scale: 'linear', range: [-end, end], ticks: [-1, 0, 1] },
    y: { label: 'density', scale: 'linear' },
    second: { label: 'loss along the step', scale: 'linear', range: [0, end ** 2 * 1.1], hidden: true },
    marks: [
      ...[-1, 0, 1].map((x): PlotMark => ({
        mark: 'rule',
        name: '',
        x: [x],
        y: [],
        tone: 'grey',
        opacity: 0.35,
        dashed: true,
      })),
      {
        mark: 'line',
        name: 'loss along a step',
        x: valley,
        y: valley.map((x) => x ** 2),
        // Orange is a run's, where there are several.
        tone: context.runs.length > 1 ? 'ink' : 'orange',
        opacity: context.runs.length > 1 ? 0.45 : 1,
        second: true,
      },
      ...all.flatMap(({ run, numbers, tone }) =>
        tone === undefined ? single(numbers) : one(run.name, numbers, tone),
      ),
    ],
    ...(notes.length > 0 && { note: notes.join('; ') }),
  }
}

const alphas = ({ run }: NamedRun): Numbers => {
  const { steps, values } = seriesOf<number>(run, 'Alpha')
  return numbersOf(steps, values)
}

/** All steps in grey, the last tenth of them in blue. */
function single({ values }: Numbers): PlotMark[] {
  const late = values.slice(-Math.ceil(values.length / 10))
  return [
    histogram(values, 'grey', 0.3),
    ...(late.length > 1 ? [histogram(late, 'blue', 0.25)] : []),
    ...density(`all steps: ${summary(values)}`, values, 'grey'),
    ...density(`last tenth: ${summary(late)}`, late, 'blue'),
    ...beyond(values, 'ink'),
  ]
}

function one(name: string, { values }: Numbers, tone: Tone): PlotMark[] {
  return [
    { ...histogram(values, tone, 1), mark: 'outline' } as PlotMark,
    ...density(`${name}: ${summary(values)}`, values, tone),
    ...beyond(values, tone),
  ]
}

/** The shares of values by bins, as a density; what lies beyond counts to the whole. */
function histogram(values: readonly number[], tone: Tone, opacity: number): PlotMark {
  const width = (2 * end) / bins
  const counts = new Array<number>(bins).fill(0)
  for (const value of values) {
    const bin = Math.floor((value + end) / width)
    if (bin >= 0 && bin < bins) counts[bin]!++
    else if (value === end) counts[bins - 1]!++
  }
  return {
    mark: 'bar',
    name: '',
    edges: Array.from({ length: bins + 1 }, (_, i) => -end + i * width),
    lengths: counts.map((count) => count / values.length / width),
    tone,
    opacity,
  }
}

/** A smooth density by Gaussian kernels, of Silverman's width. */
function density(name: string, values: readonly number[], tone: Tone): PlotMark[] {
  const x = Array.from({ length: 121 }, (_, i) => -end + (i * end) / 60)
  const n = values.length
  const mean = values.reduce((a, b) => a + b, 0) / n
  const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / n)
  const sorted = values.toSorted((a, b) => a - b)
  const between = (sorted[Math.floor(0.75 * (n - 1))]! - sorted[Math.floor(0.25 * (n - 1))]!) / 1.34
  const width = Math.max(0.02, 0.9 * (Math.min(deviation, between) || deviation) * n ** -0.2)
  if (n < 2) return [{ mark: 'rule', name, x: [...values], y: [], tone }]
  // What one kernel does is the same for all values of a cell of the grid.
  const counts = new Map<number, number>()
  for (const value of values) {
    const cell = Math.round(value * 200) / 200
    counts.set(cell, (counts.get(cell) ?? 0) + 1)
  }
  const scale = 1 / (n * width * Math.sqrt(2 * Math.PI))
  const y = x.map(
    (at) =>
      scale *
      [...counts].reduce(
        (sum, [value, count]) => sum + count * Math.exp(-(((at - value) / width) ** 2) / 2),
        0,
      ),
  )
  return [{ mark: 'line', name, x, y, tone }]
}

/** The median is what to look at: a few steps far out move the mean. */
function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const median = (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return `median ${median.toFixed(2)}, mean ${mean.toFixed(2)}`.replaceAll('-', '−')
}

function beyond(values: readonly number[], tone: Tone): EdgeMark[] {
  return (['left', 'right'] as const).flatMap((edge): EdgeMark[] =>
    values.some((value) => (edge === 'left' ? value < -end : value > end))
      ? [
          {
            mark: 'edge',
            name: '',
            edge,
            at: [],
            text: [`α beyond ${edge === 'left' ? '−' : ''}${end}`],
            tone,
          },
        ]
      : [],
  )
}

function noteOf({ values, lost }: Numbers): string | undefined {
  const total = values.length + lost.values.length
  const far = values.filter((value) => Math.abs(value) > end).length
  const uphill = values.filter((value) => value < -1).length
  const notes = [
    ...(far > 0 ? [`${far} of ${total} lie beyond ±${end}`] : []),
    ...(uphill > 0 ? [`${uphill} went uphill (below −1)`] : []),
    ...(lost.values.length > 0 ? [`${lost.values.length} of ${total} values are not finite`] : []),
  ]
  return notes.length > 0 ? notes.join(', ') : undefined
}
