/** @file Instruments that go together, from what costs almost nothing to all that tell of a run. */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { Instrument } from './instrument.ts'
import { Alpha } from './instruments/alpha.ts'
import { type CurvatureOptions, HessTrace, TICDiag } from './instruments/curvature.ts'
import { GradHist1d, GradHist2d } from './instruments/gradient-histograms.ts'
import { GradAgreement } from './instruments/gradient-agreement.ts'
import { InnerTest, NormTest, OrthoTest } from './instruments/gradient-tests.ts'
import { HessMaxEV } from './instruments/largest-eigenvalue.ts'
import type { SampleOptions } from './instruments/drawn-entries.ts'
import { Loss } from './instruments/recorded.ts'
import { Distance, GradNorm, UpdateSize } from './instruments/sizes.ts'

export interface ConfigurationOptions extends SampleOptions, Pick<CurvatureOptions, 'curvature'> {}

/** Loss, sizes, step length, gradient tests, agreement of samples and the histogram of gradients. */
export function economy(options: ConfigurationOptions = {}): readonly Instrument[] {
  return [
    Alpha(),
    Distance(),
    GradAgreement(),
    GradHist1d(options),
    GradNorm(),
    InnerTest(),
    Loss(),
    NormTest(),
    OrthoTest(),
    UpdateSize(),
  ]
}

/** And the curvature's diagonal: its trace, and gradient noise against it. */
export function business(options: ConfigurationOptions = {}): readonly Instrument[] {
  return [...economy(options), TICDiag(options), HessTrace(options)]
}

/** And the largest eigenvalue, and gradients against parameters. */
export function full(options: ConfigurationOptions = {}): readonly Instrument[] {
  return [...business(options), HessMaxEV(), GradHist2d(options)]
}

type MakeConfiguration = (options?: ConfigurationOptions) => readonly Instrument[]

/** Configurations by their names. */
export const configurations: Readonly<Record<'economy' | 'business' | 'full', MakeConfiguration>> = {
  economy,
  business,
  full,
}

export type Configuration = keyof typeof configurations

/** The instruments of a configuration, or a list as it is. Throws `value` for an unknown name. */
export function instrumentsOf(
  what: Configuration | readonly Instrument[],
  options: ConfigurationOptions = {},
): readonly Instrument[] {
  if (typeof what !== 'string') return what
  if (Object.hasOwn(configurations, what)) return configurations[what](options)
  throw new BeyondgradError(
    'value',
    `openCockpit: instruments is a list, or ${Object.keys(configurations).join(', ')}, not "${String(what)}"`,
  )
}
