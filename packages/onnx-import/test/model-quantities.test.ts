/**
 * @file Every quantity on models that others exported, at two batch sizes: it is finite, has the sign that it must have, and obeys the law
 * that ties it to others; or it is refused for a reason. What takes minutes is in bench/model-quantities.ts.
 */
import { crossEntropy } from '@beyondgrad/autograd'
import type { QuantityName } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type AnyTensor, cast, evaluate, type NDArray, tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { importOnnx } from '../src/index.ts'
import { modelFolder, modelNames, readReference, samplesOf } from './reference-model.ts'
import { quantityNames, reportOf } from './quantity-laws.ts'

const engine = onnxruntime()

/** The exact Hessian and KFRA have a column a unit: they take minutes. */
const slow = new Set<QuantityName>(['diag-hessian', 'batch-diag-hessian', 'kfra'])
/** With a label a pixel there are 512 times as many columns. */
const slowOnPixels = new Set<QuantityName>(['batch-diag-ggn', 'batch-jacobian-l2'])

/** Gates of all directions are one tensor [directions, 4 H, I] in ONNX: no weight of one product. */
const refusals: Partial<Record<string, Partial<Record<QuantityName, RegExp>>>> = {
  lstm_classifier: {
    kfac: /is no weight of products, and its whole block has 4608² entries/,
    kflr: /is no weight of products, and its whole block has 4608² entries/,
  },
}

describe.each(modelNames)('%s', (name) => {
  const folder = modelFolder(name)
  const quantities = quantityNames.filter(
    (each) => !slow.has(each) && !(name === 'unet_mini' && slowOnPixels.has(each)),
  )
  it.skipIf(folder === undefined).each(quantities)('%s', { timeout: 60_000 }, async (quantity) => {
    const { reference, array } = readReference(folder!)
    const model = await importOnnx({ path: `${folder}/model.onnx` })
    const targets = array(reference.loss.labels)
    const count = targets.shape[0]!
    for (const samples of [count, count - 1]) {
      const given = (of: string): AnyTensor =>
        tensor(samplesOf(array(of), [...Array(samples).keys()]) as NDArray)
      const scores = model(...reference.inputs.map((each) => given(each.tensor)))
      const loss = crossEntropy(scores, cast(given(reference.loss.labels), 'int32'))
      const labels = (targets.data.length / count) * samples
      const refusal = refusals[name]?.[quantity]
      if (refusal !== undefined) {
        expect(() => reportOf(quantity, loss, model.parameters, samples, labels)).toThrow(refusal)
        continue
      }
      const found = await evaluate(reportOf(quantity, loss, model.parameters, samples, labels), { engine })
      expect(found.largest.names).toEqual(model.parameters.names)
      for (const at of model.parameters.names) {
        expect(found.largest.get(at).data[0], at).toBeGreaterThanOrEqual(0)
        expect(found.largest.get(at).data[0], at).toBeLessThan(1e6)
        if (found.smallest) expect(found.smallest.get(at).data[0], at).toBeGreaterThanOrEqual(0)
        if (!found.difference) continue
        const [apart, size] = found.difference.get(at).data
        expect(apart! / Math.max(size!, 1e-12), at).toBeLessThan(1e-4)
      }
      if (quantity !== 'variance') {
        expect(
          Math.max(...model.parameters.names.map((at) => found.largest.get(at).data[0]!)),
        ).toBeGreaterThan(0)
      }
    }
  })
})
