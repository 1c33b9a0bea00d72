/** @file Runs graphs on ONNX Runtime: in Node, natively or as WebAssembly. Browsers get `browser.ts`. */
import { BeyondgradError, type Engine } from '@beyondgrad/tensor'
import { engineOn } from './engine.ts'
import { missing, nodeRuntime, threadsHere } from './node-runtime.ts'
import type { OnnxRuntimeOptions } from './options.ts'
import type { Runtime } from './runtime.ts'
import { missingWeb, webRuntime } from './web-runtime.ts'
import { workerRuntime } from './worker-runtime.ts'

/**
 * An engine on `onnxruntime-node`, or on `onnxruntime-web` if that is what `runtime` says. The package is loaded when the
 * first graph is compiled.
 */
export function onnxruntime(options: OnnxRuntimeOptions = {}): Engine {
  const { runtime = 'node', worker = false } = options
  if (runtime !== 'node' && runtime !== 'web') {
    throw new BeyondgradError(
      'value',
      `onnxruntime: runtime "${String(runtime)}" is neither 'node' nor 'web'`,
    )
  }
  const load = runtime === 'web' ? web : node
  return engineOn(() => load(worker, options), options)
}

async function node(worker: boolean): Promise<Runtime> {
  if (!worker) return nodeRuntime()
  const threads = await threadsHere()
  return workerRuntime({ package: 'onnxruntime-node', threads, executionProviders: ['cpu'], missing })
}

async function web(worker: boolean, { threads, wasmPaths }: OnnxRuntimeOptions): Promise<Runtime> {
  if (!worker) return webRuntime(() => import('onnxruntime-web'), { threads, wasmPaths, worker })
  return workerRuntime({
    package: 'onnxruntime-web',
    threads: threads ?? (await threadsHere()),
    executionProviders: ['wasm'],
    missing: missingWeb,
  })
}

export type { OnnxRuntimeOptions } from './options.ts'
export type { Optimization } from './runtime.ts'
export type { WasmPaths } from './web-runtime.ts'
