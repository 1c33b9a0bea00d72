/** @file Whole models that others exported: outputs, gradients and norms of single samples' gradients against their references. */
import { backward, crossEntropy, gradient } from "@beyondgrad/autograd"
import { BatchL2 } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { cast, evaluate, type NDArray, referenceEngine } from "@beyondgrad/tensor"
import { describe, expect, it } from 'vitest'
import { importOnnx } from '../src/index.ts'
import { modelFolder, readReference } from './reference-model.ts'

const names = ['lenet', 'resnet18_cifar', 'mobilenet_v2_025', 'squeezenet_small', 'bert_tiny', 'lstm_classifier', 'unet_mini']

/** The largest difference, relative to the largest entry. */
function distance(found: NDArray, wanted: NDArray): number {
  let [difference, size] = [0, 0]
  for (let i = 0; i < wanted.data.length; i++) {
    difference = Math.max(difference, Math.abs(Number(found.data[i]) - Number(wanted.data[i])))
    size = Math.max(size, Math.abs(Number(wanted.data[i])))
  }
  // Some gradients are 0 but for rounding: a bias in front of a softmax.
  return difference / Math.max(size, 1e-4)
}

const engines = [
  { name: 'reference engine', engine: referenceEngine({ warn: () => undefined }) },
  { name: 'onnxruntime', engine: onnxruntime() },
]

describe.each(engines)('models on the $name', ({ engine }) => {
  describe.each(names)('%s', (name) => {
    const folder = modelFolder(name)
    it.skipIf(folder === undefined)('equals its reference', { timeout: 120_000 }, async () => {
      const { reference, array, input } = readReference(folder!)
      const model = await importOnnx({ path: `${folder}/model.onnx` })
      expect([...model.parameters.names].sort()).toEqual(reference.parameters.map((p) => p.initializer).sort())
      const scores = model(...reference.inputs.map((each) => input(each.tensor)))
      const loss = crossEntropy(scores, cast(input(reference.loss.labels), 'int32'))
      const results = backward(loss, { norms: BatchL2() }, { parameters: model.parameters })
      const found = await evaluate({ scores, loss, gradient: gradient(loss, model.parameters), ...results }, { engine })
      expect(distance(found.scores, array(reference.outputs[0]!.float64) as NDArray)).toBeLessThan(1e-5)
      expect(found.loss.data[0]).toBeCloseTo(reference.loss.value, 5)
      for (const parameter of reference.parameters) {
        const at = parameter.initializer!
        expect(distance(found.gradient.get(at), array(parameter.grad) as NDArray), at).toBeLessThan(1e-4)
        if (parameter.per_sample_grad_sq_norm === undefined) continue
        const wanted = { data: Float64Array.from(parameter.per_sample_grad_sq_norm) } as unknown as NDArray
        expect(distance(found.norms.get(at), wanted), at).toBeLessThan(1e-3)
      }
    })
  })
})
