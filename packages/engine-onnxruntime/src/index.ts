/** @file Runs graphs on ONNX Runtime: in Node, natively or as WebAssembly. Browsers get `browser.ts`. */
import { BeyondgradError, type Engine } from '@beyondgrad/tensor'
import { engineOn } from './engine.ts'
import { nodeRuntime } from './node-runtime.ts'
import { type OnnxRuntimeOptions } from './options.ts'
import { webRuntime } from './web-runtime.ts'

/**
 * An engine on `onnxruntime-node`, or on `onnxruntime-web` if that is what `runtime` says. The package is loaded when the
 * first graph is compiled.
 */
export function onnxruntime(options: OnnxRuntimeOptions = {}): Engine {
  const { runtime = 'node', threads, wasmPaths } = options
  if (runtime !== 'node' && runtime !== 'web') {
    throw new BeyondgradError(
      'value',
      `onnxruntime: runtime "${String(runtime)}" is neither 'node' nor 'web'`,
    )
  }
  const web = (): Promise<typeof import('onnxruntime-web')> => import('onnxruntime-web')
  return engineOn(
    () => (runtime === 'web' ? webRuntime(web, { threads, wasmPaths }) : nodeRuntime()),
    options,
  )
}

export type { OnnxRuntimeOptions } from './options.ts'
export type { Optimization } from './runtime.ts'
export type { WasmPaths } from './web-runtime.ts'
