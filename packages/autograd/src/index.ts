/** @file Derivatives of expressions, and the protocol by which extensions ride along on the backward pass. */
export type { Analysis, Entrance, MarkedLoss } from './analysis.ts'
export { backward, type BackwardOptions } from './backward.ts'
export type { Columns, Contribution, DirectFactors, Factors, OuterFactors } from './contribution.ts'
export { ggnvp } from './curvature-product.ts'
export * from './derivative.ts'
export { parametersOf } from './dependence.ts'
export * from './extension.ts'
export * from './flow.ts'
export type * from './interfaces.ts'
export { type AxisLabel } from './label.ts'
export {
  bceWithLogits,
  crossEntropy,
  type LossDefinition,
  type LossInputs,
  type LossOptions,
  mseLoss,
  type Reduction,
  type Sampling,
} from './loss.ts'
export { type Parameter, parameter, type ParameterMap, parameterMap } from './parameter.ts'
export { opsWithRules, ruleOf } from './rules/index.ts'
export type { LabelRule, Partial, Rule } from './rules/rule.ts'
export { findSampleAxes, type SampleAxes, type SampleAxis } from './sample-axis.ts'
