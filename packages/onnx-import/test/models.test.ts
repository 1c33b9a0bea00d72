/** @file Whole models that others exported: outputs, gradients and norms of single samples' gradients against their references. */
import { backward, crossEntropy, gradient } from '@beyondgrad/autograd'
import { BatchL2, DiagGGN } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import {
  type AnyTensor,
  cast,
  evaluate,
  gatherElements,
  log,
  mean,
  neg,
  type NDArray,
  referenceEngine,
  sum,
  type Tensor,
  tensor,
  unsqueeze,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { importOnnx } from '../src/index.ts'
import { modelFolder, modelNames, readReference, samplesOf } from './reference-model.ts'

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

/** The largest difference, relative to the largest entry, however small that is. */
function relative(found: ArrayLike<number>, wanted: readonly number[]): number {
  const apart = wanted.map((value, i) => Math.abs(found[i]! - value))
  // Norms of gradients that are 0 but for rounding: a bias in front of a softmax.
  return Math.max(...apart) / Math.max(...wanted, 1e-13)
}

const engines = [
  { name: 'reference engine', engine: referenceEngine({ warn: () => undefined }) },
  { name: 'onnxruntime', engine: onnxruntime() },
]

describe('at another batch size', () => {
  describe.each(modelNames)('%s', (name) => {
    const folder = modelFolder(name)
    it.skipIf(folder === undefined).each([
      ['fewer', (count: number) => [count - 1]],
      ['more', (count: number) => [1, ...Array(count).keys(), 0]],
    ])('gives the same for %s samples', async (_, choose) => {
      const { reference, array } = readReference(folder!)
      const positions = choose(array(reference.loss.labels).shape[0]!)
      const model = await importOnnx({ path: `${folder}/model.onnx` })
      const given = (of: string): AnyTensor => tensor(samplesOf(array(of), positions) as NDArray)
      const scores = model(...reference.inputs.map((each) => given(each.tensor)))
      const loss = crossEntropy(scores, cast(given(reference.loss.labels), 'int32'))
      const results = backward(loss, { norms: BatchL2() }, { parameters: model.parameters })
      const found = await evaluate({ scores, ...results }, { engine: onnxruntime() })
      const wanted = samplesOf(array(reference.outputs[0]!.float64), positions)
      expect(distance(found.scores, wanted as NDArray)).toBeLessThan(1e-5)
      const share = (array(reference.loss.labels).shape[0]! / positions.length) ** 2
      for (const { initializer, per_sample_grad_sq_norm: norms } of reference.parameters) {
        if (norms === undefined) continue
        const data = Float64Array.from(positions, (position) => norms[position]! * share)
        expect(distance(found.norms.get(initializer!), { data } as never), initializer).toBeLessThan(1e-3)
      }
    })
  })
})

describe('a graph that ends in Softmax, with its weights in Constant nodes', () => {
  const folder = modelFolder('ppocr_cls')
  it.skipIf(folder === undefined)('equals its reference', { timeout: 60_000 }, async () => {
    const { reference, array, input } = readReference(folder!)
    const model = await importOnnx({ path: `${folder}/model.onnx` })
    expect([...model.parameters.names].sort()).toEqual(reference.parameters.map((p) => p.constant).sort())
    expect([...model.buffers.names].sort()).toEqual([...reference.buffers!].sort())
    expect(model.notes.join()).toMatch(
      /is the Softmax along axis 1 of ".*": for crossEntropy, withLogits\(\)/,
    )
    const probabilities = model(input('input:x'))
    const labels = input('labels') as Tensor<'int64'>
    const picked = gatherElements(probabilities, unsqueeze(labels, [1]), 1)
    const byHand = neg(mean(log(picked)))
    const logits = model.withLogits()
    expect(logits.parameters.names).toEqual(model.parameters.names)
    const loss = crossEntropy(logits(input('input:x')), cast(labels, 'int32'))
    const found = await evaluate(
      {
        probabilities,
        byHand,
        loss,
        gradient: gradient(loss, logits.parameters),
        gradientByHand: gradient(byHand, model.parameters),
      },
      { engine: onnxruntime() },
    )
    expect(distance(found.probabilities, array('output64') as NDArray)).toBeLessThan(1e-5)
    expect(found.loss.data[0]).toBeCloseTo(reference.loss.value, 5)
    expect(found.byHand.data[0]).toBeCloseTo(reference.loss.value, 5)
    for (const { constant, grad } of reference.parameters) {
      const wanted = array(grad) as NDArray
      expect(distance(found.gradient.get(constant!), wanted), constant).toBeLessThan(1e-4)
      expect(distance(found.gradientByHand.get(constant!), wanted), constant).toBeLessThan(1e-4)
    }
  })
})

describe.each(engines)('models on the $name', ({ engine }) => {
  describe.each(modelNames)('%s', (name) => {
    const folder = modelFolder(name)
    it.skipIf(folder === undefined)('equals its reference', { timeout: 240_000 }, async () => {
      const { reference, array, input } = readReference(folder!)
      const model = await importOnnx({ path: `${folder}/model.onnx` })
      expect([...model.parameters.names].sort()).toEqual(
        reference.parameters.map((p) => p.initializer).sort(),
      )
      const scores = model(...reference.inputs.map((each) => input(each.tensor)))
      const loss = crossEntropy(scores, cast(input(reference.loss.labels), 'int32'))
      const { norms, curvature } = backward(
        loss,
        { norms: BatchL2(), curvature: DiagGGN() },
        { parameters: model.parameters },
      )
      const traces = curvature.map((diagonal) => sum(diagonal))
      const found = await evaluate(
        { scores, loss, gradient: gradient(loss, model.parameters), norms, traces },
        { engine },
      )
      expect(distance(found.scores, array(reference.outputs[0]!.float64) as NDArray)).toBeLessThan(1e-5)
      expect(found.loss.data[0]).toBeCloseTo(reference.loss.value, 5)
      for (const parameter of reference.parameters) {
        const at = parameter.initializer!
        expect(distance(found.gradient.get(at), array(parameter.grad) as NDArray), at).toBeLessThan(1e-4)
        const { per_sample_grad_sq_norm: norms, diag_ggn_trace: trace } = parameter
        if (norms !== undefined) {
          expect(relative(found.norms.get(at).data, norms), at).toBeLessThan(1e-3)
        }
        if (trace !== undefined) {
          expect(relative(found.traces.get(at).data, [trace]), at).toBeLessThan(1e-3)
        }
      }
    })
  })
})
