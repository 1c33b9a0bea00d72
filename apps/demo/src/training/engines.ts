/** @file The engines that a worker can train on. Each is fetched when it is asked for; the page fetches one of them. */
import type { Engine } from '@beyondgrad/tensor'
import type { Settings } from '../settings.ts'

export function engineNamed(name: Settings['engine']): Promise<Engine> {
  return name === 'tfjs' ? openTfjs() : openOnnxRuntime()
}

async function openOnnxRuntime(): Promise<Engine> {
  const { onnxruntime } = await import('@beyondgrad/engine-onnxruntime')
  return onnxruntime()
}

async function openTfjs(): Promise<Engine> {
  const [{ setWasmPaths }, { tfjs }, simd, threaded, plain] = await Promise.all([
    import('@tensorflow/tfjs-backend-wasm'),
    import('@beyondgrad/engine-tfjs'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'),
  ])
  setWasmPaths({
    'tfjs-backend-wasm-threaded-simd.wasm': threaded.default,
    'tfjs-backend-wasm-simd.wasm': simd.default,
    'tfjs-backend-wasm.wasm': plain.default,
  })
  return tfjs({ backend: 'wasm' })
}
