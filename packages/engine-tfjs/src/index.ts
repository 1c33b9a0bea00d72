/** @file Runs graphs on TensorFlow.js. */
export { tfjs, type TfjsOptions } from './engine.ts'
export type { BackendName } from './backend.ts'
