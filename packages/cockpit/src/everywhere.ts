/** @file What the package exports in Node and in browsers alike. */
export type { Cockpit, CockpitOptions, OwnStep } from './cockpit.ts'
export {
  business,
  type Configuration,
  type ConfigurationOptions,
  configurations,
  economy,
  full,
} from './configurations.ts'
export { diagnose, type DiagnoseOptions } from './diagnosis/diagnose.ts'
export type { Evidence, Finding, Severity } from './diagnosis/finding.ts'
export {
  defineRule,
  type Observation,
  type Rule,
  type RuleDefinition,
  type Thresholds,
} from './diagnosis/rule.ts'
export { defaultRules } from './diagnosis/rules/index.ts'
export type { Found, Read, RunView } from './diagnosis/run-view.ts'
export {
  type Absent,
  absent,
  defineInstrument,
  type Instrument,
  type InstrumentDefinition,
  type InstrumentState,
  type Measuring,
  type Reading,
  type Stage,
} from './instrument.ts'
export { Alpha } from './instruments/alpha.ts'
export type { AdaptedRange, RangeOption } from './instruments/bin-range.ts'
export { type CurvatureOptions, HessTrace, TICDiag, TICTrace } from './instruments/curvature.ts'
export type { SampleOptions } from './instruments/drawn-entries.ts'
export { GradAgreement } from './instruments/gradient-agreement.ts'
export {
  GradHist1d,
  type GradHist1dOptions,
  GradHist2d,
  type GradHist2dOptions,
} from './instruments/gradient-histograms.ts'
export { InnerTest, NormTest, OrthoTest } from './instruments/gradient-tests.ts'
export type { Range } from './instruments/histogram.ts'
export { HessMaxEV, type HessMaxEVOptions } from './instruments/largest-eigenvalue.ts'
export { CABS, EarlyStopping, MeanGSNR } from './instruments/noise.ts'
export type { InstrumentOptions } from './instruments/options.ts'
export { Loss, Parameters, Time } from './instruments/recorded.ts'
export { Contributions, SampleLosses } from './instruments/samples.ts'
export { Distance, GradNorm, UpdateSize } from './instruments/sizes.ts'
export { type CockpitImport, parseCockpit } from './log/import-cockpit.ts'
export type { LogSink } from './log/log-sink.ts'
export type { LoggedValue, NoteLine, RunHeader, StepLine } from './log/run-line.ts'
export { RunReader } from './log/run-reader.ts'
export { inAll, parseRun, type Run, type Series, seriesOf } from './log/run.ts'
export { linear, logarithmic, type LogarithmicOptions, type Schedule } from './schedule.ts'
export type { TrackedStep } from './step-records.ts'
