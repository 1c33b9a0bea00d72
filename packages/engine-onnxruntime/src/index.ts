/** @file Runs graphs natively on ONNX Runtime. */
import type { Engine } from '@beyondgrad/tensor'
import { engineOn, type OnnxRuntimeOptions } from './engine.ts'
import { nodeRuntime } from './node-runtime.ts'

/** An engine on `onnxruntime-node`, which is loaded when the first graph is compiled. */
export function onnxruntime(options: OnnxRuntimeOptions = {}): Engine {
  return engineOn(() => nodeRuntime(), options)
}

export type { OnnxRuntimeOptions } from './engine.ts'
export type { Optimization } from './runtime.ts'
