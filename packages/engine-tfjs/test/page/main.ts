/** @file The page of the README: tfjs on WebAssembly, as Vite bundles it. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'
import { tfjs } from '@beyondgrad/engine-tfjs'
import { matmul, setEngine, tensor } from '@beyondgrad/tensor'

setWasmPaths({
  'tfjs-backend-wasm-threaded-simd.wasm': threaded,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm.wasm': plain,
})
setEngine(tfjs({ backend: 'wasm' }))

const a = tensor([
  [1, 2],
  [3, 4],
])
const { data } = await matmul(a, a).add(1).read()
document.body.textContent = data.join(' ')
