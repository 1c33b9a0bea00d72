/** @file Curvature: its largest eigenvalue, its trace, and gradient noise against it. */
import {
  gauge,
  type GaugeContext,
  type GaugeOf,
  lacking,
  quantityGauge,
  seriesOfRuns,
  stacked,
  toneOf,
  whole,
} from '../gauge.ts'
import type { PlotMark, PlotPanel } from '../plot.ts'
import { learningRates, type NamedRun, type Numbers, quantity } from '../series.ts'
import { thinned } from '../thinning.ts'
import { lostMarks, lostNote, stepAxis, timePanel, type TimeSeries } from '../time-panel.ts'

/** Sizes on a logarithmic axis; negative eigenvalues are rings, so that their sign is seen. */
export const eigenvalueGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'max-eigenvalue',
      title: 'Largest eigenvalue',
      description:
        'The eigenvalue of largest size of the Hessian. Above 2/learning rate plain gradient descent is not stable along its direction.',
    },
    context,
    lacking('HessMaxEV'),
    (having) => whole(eigenvaluePanel(context, having)),
  )

function eigenvaluePanel(context: GaugeContext, having: readonly NamedRun[]): PlotPanel {
  const series = having.map((run) => ({
    run,
    numbers: quantity(run.run, 'HessMaxEV'),
    tone: toneOf(context, run),
  }))
  const hasNegative = series.some(({ numbers }) => numbers.values.some((value) => value < 0))
  const marks = series.flatMap(({ run, numbers, tone }): PlotMark[] => {
    const positive = thinned(where(numbers, (value) => value > 0))
    const negative = thinned(where(numbers, (value) => value < 0))
    const bound = thinned(stability(run))
    return [
      {
        mark: 'point',
        name: tone === undefined ? (hasNegative ? 'positive' : '') : run.name,
        x: positive.steps,
        y: positive.values,
        ...(tone === undefined ? { byStep: true } : { tone }),
      },
      ...(negative.steps.length > 0
        ? [
            {
              mark: 'point' as const,
              symbol: 'ring' as const,
              name: tone === undefined ? 'negative' : `${run.name}, negative`,
              x: negative.steps,
              y: negative.values.map(Math.abs),
              tone: tone ?? ('red' as const),
            },
          ]
        : []),
      ...(bound.steps.length > 0
        ? [
            {
              mark: 'line' as const,
              name: tone === undefined ? '2/learning rate' : '',
              x: bound.steps,
              y: bound.values,
              tone: tone ?? ('orange' as const),
              dashed: true,
            },
          ]
        : []),
      ...lostMarks(numbers, tone),
    ]
  })
  const count = series.reduce(
    (sum, { numbers: { values, lost } }) => sum + values.length + lost.values.length,
    0,
  )
  const zeros = series.reduce(
    (sum, { numbers }) => sum + numbers.values.filter((value) => value === 0).length,
    0,
  )
  const notes = [
    ...(lostNote(series, false) === undefined ? [] : [lostNote(series, false)!]),
    ...(zeros > 0 ? [`${zeros} of ${count} values ${zeros === 1 ? 'is' : 'are'} zero`] : []),
    ...(context.runs.length > 1 ? ['dashed: 2/learning rate'] : []),
  ]
  return {
    title: 'Largest eigenvalue',
    x: stepAxis(context.steps),
    y: { label: hasNegative ? '|eigenvalue|' : 'eigenvalue', scale: 'log' },
    marks,
    ...(notes.length > 0 && { note: notes.join('; ') }),
  }
}

function where(
  { steps, values }: Numbers,
  is: (value: number) => boolean,
): { steps: number[]; values: number[] } {
  const places = [...values.keys()].filter((i) => is(values[i]!))
  return { steps: places.map((i) => steps[i]!), values: places.map((i) => values[i]!) }
}

/** 2 / learning rate, where there is one. */
function stability({ run }: NamedRun): { steps: number[]; values: number[] } {
  const { steps, values } = where(learningRates(run), (rate) => rate > 0)
  return { steps, values: values.map((rate) => 2 / rate) }
}

export const traceGauge: GaugeOf = (context) =>
  quantityGauge(
    {
      name: 'trace',
      title: 'Trace of the Hessian',
      description:
        'The sum of the diagonal of the curvature matrix: mean curvature. Growing, the valley narrows.',
    },
    context,
    { of: 'HessTrace', as: 'sum', y: { label: 'trace', scale: 'linear' } },
  )

/** Either form of the criterion, or both: of one run on two axes, of several in two panels. */
export const ticGauge: GaugeOf = (context) => {
  const both = lacking('TICDiag', 'TICTrace')
  const x = stepAxis(context.steps)
  const title = 'Takeuchi information criterion'
  return gauge(
    {
      name: 'tic',
      title,
      description: 'Gradient noise against curvature: near a minimum an estimate of the generalisation gap.',
    },
    context,
    (run) => (both(run).length === 2 ? both(run) : []),
    (having) => {
      const names = (['TICDiag', 'TICTrace'] as const).filter((name) =>
        having.some((run) => lacking(name)(run).length === 0),
      )
      if (context.runs.length > 1 || names.length === 1) {
        return stacked(
          names.map((name) =>
            timePanel({
              title: `${title}, ${name === 'TICDiag' ? 'diagonal' : 'trace'}`,
              x,
              y: { label: name, scale: 'linear' },
              series: seriesOfRuns(context, having, 'moving average', ({ run }) => quantity(run, name)),
            }),
          ),
        )
      }
      const series = names.map((name, i): TimeSeries => ({
        name: name === 'TICDiag' ? 'diagonal' : 'trace',
        numbers: quantity(having[0]!.run, name),
        tone: i === 0 ? 'green' : 'blue',
        second: i === 1,
      }))
      const [y, second] = names.map((name) => ({ label: name, scale: 'linear' }) as const)
      return whole(timePanel({ title, x, y: y!, ...(second && { second }), series }))
    },
  )
}
