/**
 * @file Plots as plain data that says what is to be seen and not how it is drawn: panels with axes and marks, which survive JSON. Whoever
 * renders them decides on colours and sizes.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { GroupDerivatives } from './directions.ts'
import { signalToNoise } from './signal-to-noise.ts'
import type { GroupSpectrum } from './spectrum.ts'

export interface PlotAxis {
  readonly label: string
  /** What numbers are in, such as 'loss'; left out for pure numbers. */
  readonly unit?: string
  readonly scale: 'linear' | 'log'
}

/** Values in order; null where there is nothing to show, which interrupts a line. */
export interface PlotMark {
  readonly mark: 'point' | 'line' | 'rule'
  /** For the legend. */
  readonly name: string
  /** Of a 'rule' empty: it goes all the way across at one height. */
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
}

export interface PlotPanel {
  readonly title: string
  readonly x: PlotAxis
  readonly y: PlotAxis
  readonly marks: readonly PlotMark[]
  /** What can't be seen, in words: values that an axis has no place for. */
  readonly note?: string
}

export interface Plot {
  readonly title: string
  readonly panels: readonly PlotPanel[]
}

export interface SpectrumPlotOptions {
  readonly title?: string
  /** Default: 'log', on which what is not positive is left out and counted in the panel's note. */
  readonly scale?: 'linear' | 'log'
}

/** Eigenvalues from the largest down, a panel for each group, with a rule below which they are rounding noise. */
export function spectrumPlot(
  { groups }: { readonly groups: readonly Pick<GroupSpectrum, 'parameters' | 'eigenvalues' | 'noise'>[] },
  { title = 'Spectrum of the generalised Gauss-Newton matrix', scale = 'log' }: SpectrumPlotOptions = {},
): Plot {
  const panels = groups.map(({ parameters, eigenvalues, noise }): PlotPanel => {
    const descending = Array.from(eigenvalues).reverse()
    const isShown = (value: number): boolean => Number.isFinite(value) && (scale === 'linear' || value > 0)
    const left = descending.filter((value) => !isShown(value)).length
    const hasRule = isShown(noise)
    return {
      title: nameOf(parameters),
      x: { label: 'rank', scale: 'linear' },
      y: { label: 'eigenvalue', unit: 'loss', scale },
      marks: [
        {
          mark: 'point',
          name: 'eigenvalues',
          x: descending.map((_, i) => i + 1),
          y: descending.map((value) => (isShown(value) ? value : null)),
        },
        ...(hasRule ? [{ mark: 'rule' as const, name: 'rounding noise', x: [], y: [noise] }] : []),
      ],
      ...(left > 0 && {
        note: `${left} of ${descending.length} eigenvalues are not positive and have no place on a logarithmic axis`,
      }),
    }
  })
  return { title, panels }
}

/** Directions at one step of training. */
export interface SignalToNoiseRecord {
  readonly step: number
  readonly groups: readonly Pick<GroupDerivatives, 'parameters' | 'gammas' | 'lambdas'>[]
}

/**
 * Signal-to-noise ratios of slope (γ) and curvature (λ) along each direction over training: two panels for each group, a line for each
 * direction, counted from that of the largest eigenvalue. Ratios that are not finite, or zero, interrupt it. Throws `value` for records of
 * different groups.
 */
export function signalToNoisePlot(
  records: readonly SignalToNoiseRecord[],
  { title = 'Signal-to-noise ratios along directions of curvature' }: { readonly title?: string } = {},
): Plot {
  const names = (records[0]?.groups ?? []).map(({ parameters }) => nameOf(parameters))
  for (const { step, groups } of records) {
    const own = groups.map(({ parameters }) => nameOf(parameters))
    if (own.length === names.length && own.every((name, i) => name === names[i])) continue
    throw new BeyondgradError(
      'value',
      `signalToNoisePlot: step ${step} has the groups ${own.join('; ')}, the first record ${names.join('; ')}; record the same groups at every step`,
    )
  }
  const panels = names.flatMap((name, group) => [
    panelOf(records, group, 'gammas', `${name}: slope γ`),
    panelOf(records, group, 'lambdas', `${name}: curvature λ`),
  ])
  return { title, panels }
}

function panelOf(
  records: readonly SignalToNoiseRecord[],
  group: number,
  what: 'gammas' | 'lambdas',
  title: string,
): PlotPanel {
  const ratios = records.map(({ groups }) => Array.from(signalToNoise(groups[group]![what])).reverse())
  const directions = Math.max(0, ...ratios.map((each) => each.length))
  return {
    title,
    x: { label: 'step', scale: 'linear' },
    y: { label: 'squared mean over variance', scale: 'log' },
    marks: Array.from({ length: directions }, (_, k) => ({
      mark: 'line',
      name: `direction ${k + 1}`,
      x: records.map(({ step }) => step),
      y: ratios.map((each) => {
        const ratio = each[k] ?? NaN
        return Number.isFinite(ratio) && ratio > 0 ? ratio : null
      }),
    })),
  }
}

const nameOf = (parameters: GroupSpectrum['parameters']): string =>
  parameters.map(({ name }) => name).join(', ')
