/** @file Layers, initial weights, losses, optimisers, data loading and the compiled training step. */
export * from './data.ts'
export {
  allZeros,
  type Fans,
  fanInUniform,
  glorotUniform,
  heNormal,
  type InitializationOptions,
  type Initializer,
} from './initialization.ts'
export * from './layers.ts'
export * from './losses.ts'
export { moduleOf, qualified, Sequential } from './module.ts'
export * from './optimizer.ts'
export * from './train-step.ts'
