/** @file Runs graphs on TensorFlow.js. */
export { arrayFromTfjs, arrayToTfjs, type TfjsDType, type TfjsModule, type TfjsTensor } from './arrays.ts'
export { tfjs, type TfjsOptions } from './engine.ts'
export type { BackendName } from './backend.ts'
