/** @file Checks for authors of rules, extensions and engines. They need no test runner: each throws one sentence. */
export { checkVmap } from './batching.ts'
export { type BruteForce, bruteForce, type Matrix, type Problem } from './brute-force.ts'
export type { Tolerance } from './close.ts'
export { type Definition, definitions } from './definitions.ts'
export { checkDerivative, type DerivativeOptions } from './derivative.ts'
export { checkEngine, type EngineOptions, type EngineReport } from './engine.ts'
export { engineTable } from './engine-table.ts'
export {
  checkExtension,
  checkResult,
  type Demand,
  type ExtensionCheck,
  type ResultCheck,
} from './extension.ts'
export {
  drawn,
  drawnCurvature,
  empirical,
  type MonteCarloDefinition,
  monteCarloDiagonal,
} from './estimated-curvature.ts'
export { checkFlow, type FlowCheck, type FlowReport, type FlowView } from './flow.ts'
export { checkLabels, type LabelledGraph, type LabelOptions, type LabelReport } from './labels.ts'
export {
  jumping,
  operations,
  type RandomGraphOptions,
  randomExpressions,
  type RandomInputOptions,
  randomInputs,
} from './random-graph.ts'
export { checkMerge, type MergeCheck } from './laws.ts'
export { checkLoss, type CheckedLoss, type LossCheck, type LossReport } from './loss.ts'
export { checkRule } from './rule.ts'
export { type WatchedEngine, watchedEngine } from './watched-engine.ts'
