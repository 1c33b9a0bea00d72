/** @file Layers, initial weights, losses, optimisers, schedules, state, data loading and the compiled training step. */
export { type Buffer, buffer, type BufferMap } from '@beyondgrad/autograd'
export * from './data.ts'
export * from './define-module.ts'
export {
  allEqual,
  allOnes,
  allZeros,
  type Fans,
  fanInUniform,
  glorotUniform,
  heNormal,
  type InitializationOptions,
  type Initializer,
  standardNormal,
} from './initialization.ts'
export * from './layers/activation.ts'
export * from './layers/attention.ts'
export * from './layers/batch-normalization.ts'
export * from './layers/convolution.ts'
export { Dropout, Dropout1d, Dropout2d, Dropout3d, type DropoutOptions } from './layers/dropout.ts'
export * from './layers/embedding.ts'
export * from './layers/linear.ts'
export {
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type InstanceNormOptions,
  LayerNorm,
  type LayerNormOptions,
  type NormOptions as GroupNormOptions,
  RMSNorm,
  type RMSNormOptions,
} from './layers/normalization.ts'
export * from './layers/padding.ts'
export * from './layers/pooling.ts'
export * from './layers/recurrent.ts'
export * from './layers/resampling.ts'
export * from './layers/shape.ts'
export type { PerAxis } from './layers/sizes.ts'
export * from './losses.ts'
export {
  type AnyModule,
  buffersOf,
  freeze,
  inEvaluation,
  type Layer,
  type LayerDefinition,
  layerOf,
  moduleOf,
  outputOf,
  qualified,
  Sequential,
} from './module.ts'
export { Adam, type AdamOptions, AdamW } from './optimizers/adam.ts'
export {
  type OptimizerDefinition,
  optimizerOf,
  type OptimizerOptions,
  type StatefulOptimizer,
  type Step,
} from './optimizers/optimizer.ts'
export * from './optimizers/rmsprop.ts'
export * from './optimizers/sgd.ts'
export * from './schedules.ts'
export * from './state.ts'
export * from './train-step.ts'
export * from './training-pass.ts'
