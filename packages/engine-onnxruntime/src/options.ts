/** @file What an engine can be told. */
import type { Optimization } from './runtime.ts'
import type { WasmPaths } from './web-runtime.ts'

export interface OnnxRuntimeOptions {
  /** The package that computes: `onnxruntime-node` or `onnxruntime-web`. Default: the first in Node, the other in browsers. */
  readonly runtime?: 'node' | 'web'
  /**
   * Threads that a big graph runs on. Default: the processors, or half of them where there are more than four. Browsers
   * have one thread, unless the page is isolated (`crossOriginIsolated`); the web runtime keeps the first engine's number.
   */
  readonly threads?: number
  /** Sessions kept for graphs that may come again. Default: 24. */
  readonly capacity?: number
  /**
   * Bytes that they may hold together: models, and the memory of their runs, which a session keeps for the next one;
   * both are estimates. Default: 1 GiB.
   */
  readonly capacityBytes?: number
  /** Whether idle threads wait busily for the next run: a little quicker, at a processor's full load. Default: false. */
  readonly spin?: boolean
  /** How far ONNX Runtime rewrites a graph. Default: 'extended'; 'all' adds layouts that need constant weights. */
  readonly optimization?: Optimization
  /** ONNX Runtime's execution providers, best first. Default: `['cpu']`, or `['wasm']` with the web runtime. */
  readonly executionProviders?: readonly string[]
  /**
   * Whether a thread of its own prepares and runs graphs, so that this one stays alive meanwhile; arrays are copied to it.
   * Default: false.
   */
  readonly worker?: boolean
  /** Where the web runtime's WebAssembly files are, if not where the bundler put them. */
  readonly wasmPaths?: WasmPaths
}
