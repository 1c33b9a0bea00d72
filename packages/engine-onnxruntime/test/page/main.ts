/** @file The page of the README: ONNX Runtime on WebAssembly, as Vite bundles it. */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { matmul, setEngine, tensor } from '@beyondgrad/tensor'

setEngine(onnxruntime({ worker: new URLSearchParams(location.search).has('worker') }))

const a = tensor([
  [1, 2],
  [3, 4],
])
let ticks = 0
setInterval(() => ticks++, 1)
const { data } = await matmul(a, a).add(1).read()
document.body.textContent = data.join(' ')
document.body.dataset.ticks = String(ticks)
