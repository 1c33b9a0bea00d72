/* global console */
// Runs the extended model with ONNX Runtime and nothing else: two batches of different sizes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const session = await InferenceSession.create(readFileSync(join(import.meta.dirname, '../extended.onnx')))
for (const samples of [2, 5]) {
  const x = Float32Array.from({ length: samples * 4 }, (_, i) => Math.sin(i + 1))
  const labels = Int32Array.from({ length: samples }, (_, i) => i % 3)
  const results = await session.run({
    input: new Tensor('float32', x, [samples, 4]),
    target: new Tensor('int32', labels, [samples]),
  })
  console.log(`${samples} samples: loss ${results.loss.data[0].toFixed(6)}`)
  console.log('  squared norms of their gradients in 0.weight:', [...results['batch-l2/0.weight'].data])
  console.log('  trace of the Gauss-Newton block of 0.weight:', sum(results['diag-ggn/0.weight'].data))
}

function sum(data) {
  return data.reduce((a, b) => a + b, 0)
}
