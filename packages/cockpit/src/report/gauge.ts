/** @file What gauges are made with: the runs they look at, and where their panels lie. */
import type { Gauge, PlacedPanel, PlotAxis, PlotPanel, Tone } from './plot.ts'
import { isKnown, missing, type NamedRun, type Numbers, quantity } from './series.ts'
import { type StepAxis, stepAxis, timePanel, type TimeSeries } from './time-panel.ts'

export interface GaugeContext {
  readonly runs: readonly NamedRun[]
  readonly steps: StepAxis
}

export type GaugeOf = (context: GaugeContext) => Gauge

export type GaugeText = Pick<Gauge, 'name' | 'title' | 'description'>

/** One panel that fills its place. */
export const whole = (panel: PlotPanel): PlacedPanel[] => [{ panel, left: 0, top: 0, width: 1, height: 1 }]

/** Panels beside each other, of equal width. */
export const beside = (panels: readonly PlotPanel[]): PlacedPanel[] =>
  panels.map((panel, i) => ({ panel, left: i / panels.length, top: 0, width: 1 / panels.length, height: 1 }))

/** Panels one below the other, of equal height. */
export const stacked = (panels: readonly PlotPanel[]): PlacedPanel[] =>
  panels.map((panel, i) => ({ panel, left: 0, top: i / panels.length, width: 1, height: 1 / panels.length }))

/** A gauge, or why it can't be had of any run. A run that lacks it is named. */
export function gauge(
  text: GaugeText,
  { runs }: GaugeContext,
  needs: (run: NamedRun) => readonly string[],
  panels: (having: readonly NamedRun[]) => PlacedPanel[],
): Gauge {
  const lacking = runs.map((run) => ({ run, missing: needs(run) }))
  const having = lacking.filter(({ missing }) => missing.length === 0).map(({ run }) => run)
  const sentences = [
    ...new Set(
      lacking.flatMap(({ run, missing }) =>
        missing.map((one) => (runs.length > 1 && having.length > 0 ? `${run.name}: ${one}` : one)),
      ),
    ),
  ]
  return { ...text, panels: having.length > 0 ? panels(having) : [], missing: sentences }
}

/** What a run lacks of these quantities. */
export const lacking =
  (...names: readonly string[]) =>
  (run: NamedRun): string[] =>
    names.filter((name) => !isKnown(quantity(run.run, name))).map((name) => missing(run, name))

/** A run's colour, which it has only beside others. */
export function toneOf({ runs }: GaugeContext, run: NamedRun): Tone | undefined {
  return runs.length > 1 ? runs.indexOf(run) : undefined
}

/** A series of each run, named and coloured as the run where there are several. */
export function seriesOfRuns(
  context: GaugeContext,
  having: readonly NamedRun[],
  name: string,
  numbers: (run: NamedRun) => Numbers,
): TimeSeries[] {
  return having.map((run) => {
    const tone = toneOf(context, run)
    return {
      name: tone === undefined ? name : run.name,
      numbers: numbers(run),
      ...(tone !== undefined && { tone }),
    }
  })
}

/** The gauge of one quantity over the steps. */
export function quantityGauge(
  text: GaugeText,
  context: GaugeContext,
  { of, as, y }: { readonly of: string; readonly as?: 'norm' | 'sum'; readonly y: PlotAxis },
): Gauge {
  return gauge(text, context, lacking(of), (having) =>
    whole(
      timePanel({
        title: text.title,
        x: stepAxis(context.steps),
        y,
        series: seriesOfRuns(context, having, 'moving average', ({ run }) => quantity(run, of, as)),
      }),
    ),
  )
}
