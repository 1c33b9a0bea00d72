/** @file ViViT: the generalised Gauss-Newton matrix's spectrum, its directions and their noise. */
export type { Criterion } from './criterion.ts'
export {
  type DampedNewtonOptions,
  type DampingContext,
  directionalDampedNewton,
  type GroupNewtonStep,
  type NewtonStep,
} from './damped-newton.ts'
export type { DirectionOptions, DirectionValues, GroupDerivatives, GroupDirections } from './directions.ts'
export { eigh, type Eigenpairs } from './eigen/eigh.ts'
export { directionalDerivatives, type EigenpairOptions, ggnEigenpairs } from './eigenpairs.ts'
export type { ParameterGroups } from './groups.ts'
export type { CommonOptions, SpectrumOptions, SpectrumProgress } from './options.ts'
export * from './plots.ts'
export type { Route } from './route.ts'
export { signalToNoise } from './signal-to-noise.ts'
export {
  streamedSpectrum,
  type StreamedGroup,
  type StreamedSpectrum,
  type StreamedSpectrumOptions,
} from './streamed-spectrum.ts'
export { ggnSpectrum, type GroupSpectrum, type Spectrum } from './spectrum.ts'
