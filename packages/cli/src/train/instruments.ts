/** @file Instruments of a training by what the command line calls them: a configuration, and those that are named besides. */
import type { Plugin } from '@beyondgrad/autograd'
import * as cockpit from '@beyondgrad/cockpit'
import { UsageError } from '../usage-error.ts'

export interface InstrumentChoice {
  readonly cockpit?: cockpit.Configuration
  readonly instruments?: readonly string[]
  readonly curvature?: NonNullable<cockpit.CurvatureOptions['curvature']>
}

type Known = Readonly<Record<string, (options: cockpit.CurvatureOptions) => cockpit.Instrument>>

/** Ours, by the names that they log under. */
const own: Known = {
  Alpha: () => cockpit.Alpha(),
  CABS: () => cockpit.CABS(),
  Distance: () => cockpit.Distance(),
  EarlyStopping: () => cockpit.EarlyStopping(),
  GradAgreement: () => cockpit.GradAgreement(),
  GradHist1d: () => cockpit.GradHist1d(),
  GradHist2d: () => cockpit.GradHist2d(),
  GradNorm: () => cockpit.GradNorm(),
  HessMaxEV: () => cockpit.HessMaxEV(),
  HessTrace: cockpit.HessTrace,
  InnerTest: () => cockpit.InnerTest(),
  Loss: () => cockpit.Loss(),
  MeanGSNR: () => cockpit.MeanGSNR(),
  NormTest: () => cockpit.NormTest(),
  OrthoTest: () => cockpit.OrthoTest(),
  Parameters: () => cockpit.Parameters(),
  TICDiag: cockpit.TICDiag,
  TICTrace: cockpit.TICTrace,
  Time: () => cockpit.Time(),
  UpdateSize: () => cockpit.UpdateSize(),
}

/** Whether more was asked for than the loss, so that there is something to say of the run. */
export const isWatched = ({ cockpit: name, instruments = [] }: InstrumentChoice): boolean =>
  name !== undefined || instruments.length > 0

/** The instruments that were chosen, each once; the loss alone where none was. */
export function chosenInstruments(
  { cockpit: name, instruments: named = [], curvature }: InstrumentChoice,
  plugins: readonly Plugin[],
): readonly cockpit.Instrument[] {
  const options = curvature === undefined ? {} : { curvature }
  const known = knownInstruments(plugins)
  const base = name === undefined ? [cockpit.Loss()] : cockpit.configurations[name](options)
  const unknown = named.find((each) => !Object.hasOwn(known, each))
  if (unknown !== undefined) {
    throw new UsageError(
      `--instruments: there is no instrument "${unknown}", but ${Object.keys(known).sort().join(', ')}`,
    )
  }
  const further = [...new Set(named)].filter((each) => !base.some((instrument) => instrument.name === each))
  return [...base, ...further.map((each) => known[each]!(options))]
}

/** Ours and those of plugins; a name that is taken is an error that says by whom. */
function knownInstruments(plugins: readonly Plugin[]): Known {
  const known = new Map(
    Object.entries(own).map(([name, make]) => [name, { make, by: '@beyondgrad/cockpit' }]),
  )
  for (const { name: by, instruments = {} } of plugins) {
    for (const [name, make] of Object.entries(instruments)) {
      const other = known.get(name)
      if (other !== undefined) {
        throw new UsageError(`--plugin ${by}: its instrument "${name}" is taken by ${other.by} already`)
      }
      const called = make().name
      if (called !== name) {
        throw new UsageError(
          `--plugin ${by}: its instrument "${name}" logs as "${called}"; both must be one name`,
        )
      }
      known.set(name, { make, by })
    }
  }
  return Object.fromEntries([...known].map(([name, { make }]) => [name, make]))
}
