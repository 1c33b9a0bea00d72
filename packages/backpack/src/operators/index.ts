/** @file Curvature as linear operators: products, traces, inverses and determinants of matrices that are never formed. */
export type { CurvatureOperator, CurvatureOptions } from './curvature-operator.ts'
export * from './curvature-operators.ts'
export type { BatchSource } from './data-batches.ts'
export * from './diagonal-operator.ts'
export * from './diagonal.ts'
export * from './inverse.ts'
export {
  type KroneckerArrays,
  KroneckerOperator,
  PlacedFactors,
  type PlacedKroneckerFactors,
} from './kronecker-operator.ts'
export * from './linear-operator.ts'
export * from './logdet.ts'
export {
  type BatchTerms,
  lossTerms,
  type LossTerms,
  type Reductions,
  type ShareOfBatches,
  shareOfBatches,
} from './loss-terms.ts'
export type { Solution } from './solve.ts'
export * from './spectral-density.ts'
export * from './trace.ts'
export {
  type Part,
  type PartValues,
  type PlacedPart,
  vectorLayout,
  type VectorLayout,
} from './vector-layout.ts'
