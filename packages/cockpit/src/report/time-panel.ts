/** @file The panel that most gauges are: a dot for each step, coloured from early to late, and the moving average. */
import type { EdgeMark, PlotAxis, PlotMark, PlotPanel, Tone } from './plot.ts'
import type { Numbers } from './series.ts'
import { movingAverage, thinned } from './thinning.ts'

/** What holds for the steps of all gauges of a dashboard. */
export interface StepAxis {
  readonly isLog: boolean
  readonly range?: readonly [number, number]
}

export function stepAxis({ isLog, range }: StepAxis): PlotAxis {
  return {
    label: 'step',
    scale: isLog ? 'symlog' : 'linear',
    integers: true,
    ...(range !== undefined && { range }),
  }
}

/** As far as a column reaches that begins with the last step. */
export function upTo(steps: StepAxis, end: number): StepAxis {
  if (steps.range === undefined) return steps
  const [first, last] = steps.range
  return { ...steps, range: [first, Math.max(last, end)] }
}

export interface TimeSeries {
  readonly name: string
  readonly numbers: Numbers
  /** Default: dots by step, which only one series of a panel can have. */
  readonly tone?: Tone
  readonly second?: boolean
  /** Default: dots with their moving average. */
  readonly as?: 'dots' | 'line' | 'dashed'
}

/** Dots, their average, and signs for what is no number. */
function timeMarks(
  { name, numbers, tone, second = false, as = 'dots' }: TimeSeries,
  positiveOnly: boolean,
): PlotMark[] {
  const shown = positiveOnly ? positiveIn(numbers) : numbers
  const on = second ? { second } : {}
  if (shown.values.length + numbers.lost.values.length === 0) return []
  const points = thinned(shown)
  const marks: PlotMark[] =
    as !== 'dots'
      ? [
          {
            mark: 'line',
            name,
            x: points.steps,
            y: points.values,
            tone: tone ?? 'blue',
            ...(as === 'dashed' && { dashed: true }),
            ...on,
          },
        ]
      : [
          {
            mark: 'point',
            name: '',
            x: points.steps,
            y: points.values,
            ...(tone === undefined ? { byStep: true } : { tone, opacity: 0.35 }),
            ...on,
          },
          ...averageOf(shown, name, tone ?? 'ink', on),
        ]
  return [...marks, ...lostMarks(numbers, tone)]
}

function averageOf(
  shown: { readonly steps: readonly number[]; readonly values: readonly number[] },
  name: string,
  tone: Tone,
  on: { readonly second?: boolean },
): PlotMark[] {
  const { steps, values } = thinned(movingAverage(shown))
  return [{ mark: 'line', name, x: steps, y: values, tone, ...on }]
}

/** Signs at the upper edge where a value is NaN or infinite, at the lower for minus infinity; few enough to be seen. */
export function lostMarks({ lost }: Numbers, tone: Tone = 'red'): EdgeMark[] {
  return (['top', 'bottom'] as const).flatMap((edge): EdgeMark[] => {
    const places = [...lost.values.keys()].filter(
      (i) => (lost.values[i] === -Infinity) === (edge === 'bottom'),
    )
    if (places.length === 0) return []
    const some = places.filter((_, k) => k % Math.ceil(places.length / 60) === 0)
    const at = some.map((i) => lost.steps[i]!)
    return [{ mark: 'edge', name: '', edge, at, text: some.map((i) => String(lost.values[i])), tone }]
  })
}

function positiveIn({ steps, values }: Numbers): { steps: number[]; values: number[] } {
  const places = [...values.keys()].filter((i) => values[i]! > 0)
  return { steps: places.map((i) => steps[i]!), values: places.map((i) => values[i]!) }
}

/** "3 of 200 values are not finite", and how many a logarithmic axis has no place for. */
export function lostNote(
  series: readonly Pick<TimeSeries, 'numbers'>[],
  positiveOnly: boolean,
): string | undefined {
  const total = series.reduce(
    (sum, { numbers }) => sum + numbers.values.length + numbers.lost.values.length,
    0,
  )
  const count = (of: (numbers: Numbers) => number): number =>
    series.reduce((sum, { numbers }) => sum + of(numbers), 0)
  const lost = count(({ lost: { values } }) => values.length)
  const low = positiveOnly ? count(({ values }) => values.filter((value) => value <= 0).length) : 0
  const notes = [
    ...(lost > 0 ? [`${lost} of ${total} values ${lost === 1 ? 'is' : 'are'} not finite`] : []),
    ...(low > 0 ? [`${low} of ${total} values ${low === 1 ? 'is' : 'are'} not positive and left out`] : []),
  ]
  return notes.length === 0 ? undefined : notes.join('; ')
}

export interface TimePanel {
  readonly title: string
  readonly x: PlotAxis
  readonly y: PlotAxis
  readonly second?: PlotAxis
  readonly series: readonly TimeSeries[]
  readonly more?: readonly PlotMark[]
}

export function timePanel({ title, x, y, second, series, more = [] }: TimePanel): PlotPanel {
  const isLog = (one: TimeSeries): boolean => (one.second ? second : y)?.scale === 'log'
  const notes = [true, false].flatMap(
    (log) =>
      lostNote(
        series.filter((one) => isLog(one) === log),
        log,
      ) ?? [],
  )
  return {
    title,
    x,
    y,
    ...(second !== undefined && { second }),
    marks: [...series.flatMap((one) => timeMarks(one, isLog(one))), ...more],
    ...(notes.length > 0 && { note: notes.join('; ') }),
  }
}
