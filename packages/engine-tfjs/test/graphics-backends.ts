/** @file What a page has to import so that backends other than cpu work. */
import '@tensorflow/tfjs-backend-webgl'
import '@tensorflow/tfjs-backend-webgpu'
import { env } from '@tensorflow/tfjs-core'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'

/** Backends of the graphics card that this browser has; without an adapter there is no WebGPU. */
export async function graphicsBackends(): Promise<readonly ('webgl' | 'webgpu')[]> {
  setWasmPaths({
    'tfjs-backend-wasm-threaded-simd.wasm': threaded,
    'tfjs-backend-wasm-simd.wasm': simd,
    'tfjs-backend-wasm.wasm': plain,
  })
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } }
  // Small tensors would be computed by the processor, and the shaders go untested.
  env().set('WEBGL_CPU_FORWARD', false)
  env().set('WEBGPU_CPU_FORWARD', false)
  const adapter = await gpu?.requestAdapter().catch(() => null)
  return adapter ? ['webgl', 'webgpu'] : ['webgl']
}
