/** @file Derivatives of expressions, and the protocol by which extensions ride along on the backward pass. */
export { type Analysis, type Entrance, type MarkedLoss, markedLosses } from './analysis.ts'
export {
  accumulate,
  type Accumulated,
  type AccumulateOptions,
  type AccumulateProgress,
} from './accumulate.ts'
export { assumeBatchAxis } from './assume-batch-axis.ts'
export type { Bending, BlockProduct } from './block-product.ts'
export { backward, type BackwardOptions } from './backward.ts'
export * from './buffer.ts'
export type { ColumnChunk, Columns } from './columns.ts'
export * as contraction from './contraction.ts'
export type { Contribution } from './contribution.ts'
export * from './curvature-factor.ts'
export { ggnvp } from './curvature-product.ts'
export { defineOp, type OpDefinition, ownRuleOf } from './define-op.ts'
export * from './derivative.ts'
export { parametersOf } from './dependence.ts'
export type { DrawnEntries, EntryDraw } from './entry-sample.ts'
export * from './explain.ts'
export * from './extension.ts'
export * from './flow.ts'
export * from './hutchinson.ts'
export * as indexedContraction from './indexed-contraction.ts'
export type * from './interfaces.ts'
export type { InputMoments, KroneckerFactors, KroneckerMode } from './kronecker.ts'
export { type AxisLabel } from './label.ts'
export {
  type CurvedLoss,
  drawnColumns,
  exactColumns,
  hessianProduct,
  type StartingColumns,
} from './loss-columns.ts'
export type { LossDefinition, LossInputs, Reduction, Sampling, Scale } from './loss.ts'
export { crossEntropy, type CrossEntropyOptions } from './losses/cross-entropy.ts'
export { type DivergenceOptions, klDivergence, type LikelihoodOptions, nllLoss } from './losses/divergence.ts'
export { gaussianNLL, type GaussianOptions } from './losses/gaussian.ts'
export { bceWithLogits, type LogisticOptions } from './losses/logistic.ts'
export { loss, type OwnLoss, type OwnLossOptions } from './losses/own.ts'
export { poissonNLL, type PoissonOptions } from './losses/poisson.ts'
export {
  huberLoss,
  type HuberOptions,
  l1Loss,
  mseLoss,
  smoothL1Loss,
  type SmoothL1Options,
} from './losses/squared-error.ts'
export type { LossOptions } from './losses/terms.ts'
export type { AveragedCurvature } from './matrix-sweep.ts'
export type { Combination, Degree, DegreeByKey, Merge, Part } from './merge.ts'
export { type Parameter, parameter, type ParameterMap, parameterMap } from './parameter.ts'
export { perSample } from './per-sample.ts'
export * from './plugin.ts'
export * as labelRules from './rules/labels.ts'
export { elementwise as elementwiseRule } from './rules/partials.ts'
export { opsWithRules, ruleOf } from './rules/index.ts'
export type { LabelRule, Partial, Rule } from './rules/rule.ts'
export { arraysIn } from './result-arrays.ts'
export type { Fold, Reduced, ReduceOptions, SampleChunk } from './sample-chunks.ts'
export { findSampleAxes, type SampleAxes, type SampleAxis } from './sample-axis.ts'
export type { DirectFactors, Factors, IndexedFactors, OuterFactors } from './use.ts'
