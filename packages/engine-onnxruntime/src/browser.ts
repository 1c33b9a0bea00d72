/** @file Runs graphs on ONNX Runtime in browsers: the same as `index.ts`, without what only Node has. */
import { BeyondgradError, type Engine } from '@beyondgrad/tensor'
import { engineOn } from './engine.ts'
import type { OnnxRuntimeOptions } from './options.ts'
import { type WebModule, webRuntime } from './web-runtime.ts'

/** An engine on `onnxruntime-web`, which is loaded when the first graph is compiled. */
export function onnxruntime(options: OnnxRuntimeOptions = {}): Engine {
  const { runtime = 'web', threads, wasmPaths, worker = false, executionProviders = [] } = options
  if (runtime !== 'web') {
    throw new BeyondgradError('value', `onnxruntime: a browser has runtime 'web' only, not '${runtime}'`)
  }
  // Each has its own WebAssembly file; the page fetches one of them.
  const load = (): Promise<WebModule> =>
    executionProviders.includes('webgpu') ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm')
  return engineOn(() => webRuntime(load, { threads, wasmPaths, worker }), options)
}

export type { OnnxRuntimeOptions } from './options.ts'
export type { Optimization } from './runtime.ts'
export type { WasmPaths } from './web-runtime.ts'
