/** @file Gradient norms of each parameter over time: where in a network gradients vanish or grow. */
import { seriesOf } from '../../log/run.ts'
import { labelsFor } from '../axis-scale.ts'
import { beside, gauge, type GaugeContext, type GaugeOf, lacking } from '../gauge.ts'
import type { PlotMark, PlotPanel } from '../plot.ts'
import { type NamedRun, type Numbers, numbersOf } from '../series.ts'
import { movingAverage, spread, thinned } from '../thinning.ts'
import { lostNote, stepAxis, upTo } from '../time-panel.ts'

/** Lines of so many parameters can be told apart; of more there is a map. */
const mostLines = 10
const mostRows = 60

export const layerNormsGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-norm-layers',
      title: 'Gradient norm by parameter',
      description: 'The norm of the gradient of each parameter, from the first (dark) to the last (light).',
    },
    context,
    lacking('GradNorm'),
    (having) => beside(having.map((run) => panelOf(context, run))),
  )

function panelOf(context: GaugeContext, run: NamedRun): PlotPanel {
  const norms = normsOf(run)
  const title = context.runs.length > 1 ? `Gradient norm, ${run.name}` : 'Gradient norm by parameter'
  const note = lostNote(
    [...norms.values()].map((numbers) => ({ numbers })),
    true,
  )
  return {
    ...(norms.size <= mostLines ? lines(context, norms) : map(context, norms)),
    title,
    ...(note !== undefined && { note }),
  }
}

/** By parameter, in the order of the model. */
function normsOf({ run }: NamedRun): Map<string, Numbers> {
  const { steps, values } = seriesOf<Readonly<Record<string, number>>>(run, 'GradNorm')
  const known = run.header?.parameters.map(({ name }) => name) ?? []
  const names = [...new Set([...known, ...values.flatMap((value) => Object.keys(value))])]
  const each = names.map((name) => {
    const places = [...values.keys()].filter((i) => typeof values[i]![name] === 'number')
    return [
      name,
      numbersOf(
        places.map((i) => steps[i]!),
        places.map((i) => values[i]![name]!),
      ),
    ] as const
  })
  return new Map(each.filter(([, { values: of, lost }]) => of.length + lost.values.length > 0))
}

function lines(context: GaugeContext, norms: ReadonlyMap<string, Numbers>): Omit<PlotPanel, 'title'> {
  return {
    x: stepAxis(context.steps),
    y: { label: 'norm, moving average', scale: 'log' },
    marks: [...norms].map(([name, numbers], i): PlotMark => {
      const { steps, values } = thinned(movingAverage(numbers))
      return {
        mark: 'line',
        name,
        x: steps,
        y: values.map((value) => (value > 0 ? value : null)),
        tone: { depth: norms.size === 1 ? 0 : i / (norms.size - 1) },
      }
    }),
  }
}

/** Parameters as rows from the first at the top, shades from the smallest norm to the largest on a logarithmic scale. */
function map(context: GaugeContext, norms: ReadonlyMap<string, Numbers>): Omit<PlotPanel, 'title'> {
  const kept = spread(norms.size, mostRows).map((i) => [...norms][i]!)
  const cells = kept.flatMap(([, { steps, values }], row) => {
    const columns = spread(values.length, 120)
    return columns.map((i, k) => ({
      x: steps[i]!,
      x2: steps[columns[k + 1] ?? -1] ?? steps[i]! + Math.max(1, steps[i]! - steps[columns[k - 1] ?? i]!),
      row: kept.length - 1 - row,
      size: values[i]! > 0 ? Math.log10(values[i]!) : null,
    }))
  })
  const sizes = cells.flatMap(({ size }) => size ?? [])
  const [low, high] = [
    sizes.reduce((a, b) => Math.min(a, b), Infinity),
    sizes.reduce((a, b) => Math.max(a, b), -Infinity),
  ]
  const shown = cells.filter(({ size }) => size !== null)
  const told = (size: number): string => labelsFor([10 ** size])(Number((10 ** size).toPrecision(2)))
  const end = shown.reduce((furthest, { x2 }) => Math.max(furthest, x2), -Infinity)
  return {
    x: stepAxis(upTo(context.steps, end)),
    y: {
      label: shown.length === 0 ? '' : `norm, from ${told(low)} (faint) to ${told(high)} (strong)`,
      scale: 'linear',
      range: [-0.5, kept.length - 0.5],
      names: kept.map(([name]) => name).reverse(),
    },
    marks: [
      {
        mark: 'cell',
        name: '',
        x: shown.map(({ x }) => x),
        x2: shown.map(({ x2 }) => x2),
        y: shown.map(({ row }) => row - 0.5),
        y2: shown.map(({ row }) => row + 0.5),
        shade: shown.map(({ size }) => 0.05 + 0.95 * (high === low ? 1 : (size! - low) / (high - low))),
        tone: 'orange',
      },
    ],
  }
}
