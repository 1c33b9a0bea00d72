/** @file All gauges of a run, or of several beside each other, in the sections of the cockpit. Plain data. */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { Run } from '../log/run.ts'
import type { GaugeContext, GaugeOf } from './gauge.ts'
import { alphaGauge } from './gauges/alpha.ts'
import { eigenvalueGauge, ticGauge, traceGauge } from './gauges/curvature.ts'
import { gradientHistogramGauge, histogramHistoryGauge } from './gauges/gradient-histogram.ts'
import { gradientParameterGauge, parameterHistogramsGauge } from './gauges/gradient-parameter-histogram.ts'
import { gradientTestsGauge } from './gauges/gradient-tests.ts'
import { layerNormsGauge } from './gauges/layerwise.ts'
import { cabsGauge, earlyStoppingGauge, meanGsnrGauge } from './gauges/noise.ts'
import { learningRateGauge, performanceGauge } from './gauges/performance.ts'
import { distanceGauge, gradientNormGauge } from './gauges/sizes.ts'
import type { Gauge, Tone } from './plot.ts'
import type { NamedRun } from './series.ts'

export interface DashboardOptions {
  readonly title?: string
  /** What legends call the runs, in their order. Default: run 1, run 2, … */
  readonly names?: readonly string[]
  /** A logarithmic axis of steps. Default: false. */
  readonly logSteps?: boolean
  /** Leaves out what comes after this step. */
  readonly until?: number
}

export interface DashboardGauge extends Gauge {
  /** How many of the three columns it takes. */
  readonly columns: 1 | 2 | 3
}

export interface DashboardSection {
  readonly title: string
  readonly tone: Tone
  /** One of the columns beside each other, its gauges one below the other; or a row below them all. */
  readonly arrangement: 'column' | 'row'
  readonly gauges: readonly DashboardGauge[]
}

export interface Dashboard {
  readonly title: string
  /** With their colours, which they have where there are several. */
  readonly runs: readonly { readonly name: string; readonly tone: Tone }[]
  readonly sections: readonly DashboardSection[]
}

interface Layout {
  readonly title: string
  readonly tone: Tone
  readonly arrangement?: DashboardSection['arrangement']
  readonly gauges: readonly (readonly [GaugeOf, DashboardGauge['columns']])[]
  /** Left out where there is nothing to show in it. */
  readonly isOptional?: boolean
}

const layout: readonly Layout[] = [
  {
    title: 'Step size',
    tone: 'blue',
    arrangement: 'column',
    gauges: [
      [alphaGauge, 1],
      [distanceGauge, 1],
      [gradientNormGauge, 1],
    ],
  },
  {
    title: 'Gradients',
    tone: 'orange',
    arrangement: 'column',
    gauges: [
      [gradientTestsGauge, 1],
      [gradientHistogramGauge, 1],
      [gradientParameterGauge, 1],
    ],
  },
  {
    title: 'Curvature',
    tone: 'green',
    arrangement: 'column',
    gauges: [
      [eigenvalueGauge, 1],
      [traceGauge, 1],
      [ticGauge, 1],
    ],
  },
  {
    title: 'Performance',
    tone: 'grey',
    gauges: [
      [learningRateGauge, 1],
      [performanceGauge, 2],
    ],
  },
  {
    title: 'Gradients over time',
    tone: 'orange',
    gauges: [[histogramHistoryGauge, 3]],
    isOptional: true,
  },
  {
    title: 'Auxiliary',
    tone: 'grey',
    gauges: [
      [meanGsnrGauge, 1],
      [cabsGauge, 1],
      [earlyStoppingGauge, 1],
    ],
    isOptional: true,
  },
  {
    title: 'Layers',
    tone: 'grey',
    gauges: [
      [layerNormsGauge, 3],
      [parameterHistogramsGauge, 3],
    ],
    isOptional: true,
  },
]

/** A run up to a step. */
function runUntil(run: Run, step: number | undefined): Run {
  if (step === undefined) return run
  return {
    header: run.header,
    steps: run.steps.filter((line) => line.step <= step),
    notes: run.notes.filter((line) => line.step <= step),
  }
}

/** Runs under their names. Throws `value` for none, and for as many names as there are no runs. */
export function namedRuns(
  runs: Run | readonly Run[],
  { names, until }: Pick<DashboardOptions, 'names' | 'until'>,
): readonly NamedRun[] {
  const list = 'steps' in runs ? [runs] : runs
  if (list.length === 0) throw new BeyondgradError('value', 'there is no run to look at: name at least one')
  if (names !== undefined && names.length !== list.length) {
    throw new BeyondgradError(
      'value',
      `there are ${list.length} runs, but ${names.length} names; give one for each`,
    )
  }
  return list.map((run, i) => ({ name: names?.[i] ?? `run ${i + 1}`, run: runUntil(run, until) }))
}

/** The gauges of runs; of several, each gauge has all of them, told apart by colour. */
export function dashboard(runs: Run | readonly Run[], options: DashboardOptions = {}): Dashboard {
  const named = namedRuns(runs, options)
  const context: GaugeContext = {
    runs: named,
    steps: { isLog: options.logSteps ?? false, ...rangeOf(named) },
  }
  const sections = layout.map(
    ({ title, tone, arrangement = 'row', gauges, isOptional = false }): DashboardSection => {
      const all = gauges.map(([of, columns]): DashboardGauge => ({ ...of(context), columns }))
      return {
        title,
        tone,
        arrangement,
        gauges: isOptional ? all.filter(({ panels }) => panels.length > 0) : all,
      }
    },
  )
  return {
    title: options.title ?? 'Cockpit',
    runs: named.map(({ name }, i) => ({ name, tone: named.length > 1 ? i : 'ink' })),
    sections: sections.filter(({ gauges }) => gauges.length > 0),
  }
}

/** From the first to the last logged step, the same for all gauges. */
function rangeOf(runs: readonly NamedRun[]): { readonly range?: readonly [number, number] } {
  const ends = runs.flatMap(({ run: { steps, notes } }) => {
    const lines = [steps[0], steps.at(-1), ...notes].flatMap((line) =>
      line === undefined ? [] : [line.step],
    )
    return lines
  })
  if (ends.length === 0) return {}
  return { range: [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))] }
}
