/** @file Models with their loss and quantities as further outputs, run by ONNX Runtime alone. */
import { backward, bceWithLogits, crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { DiagGGN, DiagGGNMC, Gradient, KFAC, Variance } from '@beyondgrad/backpack'
import { modelBuilder } from '@beyondgrad/onnx'
import { evaluate, intTensor, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { extendOnnx, type ImportedModel, importOnnx } from '../src/index.ts'

/** [N, 2] → [N, 3], with a batch size that the export has written into a Reshape. */
function bytesOf(batch: number | string = 'batch_size'): Uint8Array {
  const builder = modelBuilder({ opset: 17, name: 'affine' })
  const x = builder.input('x', 'float32', [batch, 2])
  const weight = builder.initializer('float32', [2, 3], [1, -2, 3, 0.5, 5, -6], 'weight')
  const hidden = builder.node('Tanh', [builder.node('MatMul', [x, weight])])
  const shape = builder.initializer('int64', [2], [typeof batch === 'number' ? batch : -1, 3], 'shape')
  builder.output('scores', 'float32', [batch, 3], builder.node('Reshape', [hidden, shape]))
  return builder.finish()
}

const engine = referenceEngine()
const x = { shape: [4, 2], data: Float32Array.of(1, 2, -1, 0.5, 0.25, -2, 3, 1) }
const labels = [0, 2, 1, 1]

describe('extendOnnx', () => {
  it.each(['batch_size', 2])(
    'gives the numbers of the expression, declared with batch %s, for any batch',
    async (batch) => {
      const model = await importOnnx(bytesOf(batch))
      const extensions = { variance: Variance(), 'diag-ggn': DiagGGN() }
      const loss = (y: Tensor, target: unknown): Tensor => crossEntropy(y, target as Tensor<'int32'>)
      const file = extendOnnx(model, { loss, extensions })
      const axis = batch === 2 ? 'N' : 'batch_size'
      expect(file.inputs).toEqual([
        { name: 'x', dtype: 'float32', shape: [axis, 2] },
        { name: 'target', dtype: 'int32', shape: [axis] },
      ])
      expect(file.outputs.map(({ name }) => name)).toEqual([
        'scores',
        'loss',
        'variance/weight',
        'diag-ggn/weight',
      ])
      const session = await InferenceSession.create(file.bytes)
      for (const samples of [4, 1]) {
        const data = x.data.slice(0, 2 * samples)
        const output = model(tensor(data.slice(), { shape: [samples, 2], dtype: 'float32' }))
        const value = loss(output, intTensor(labels.slice(0, samples)))
        const expected = await evaluate({ value, ...backward(value, extensions) }, { engine })
        const found = await session.run({
          x: new OrtTensor('float32', data, [samples, 2]),
          target: new OrtTensor('int32', Int32Array.from(labels.slice(0, samples)), [samples]),
        })
        expect(found.loss!.data[0]).toBeCloseTo(expected.value.data[0]!, 5)
        for (const [name, map] of [
          ['variance', expected.variance],
          ['diag-ggn', expected['diag-ggn']],
        ] as const) {
          // prettier-ignore
          const own = found[`${name}/weight`]!.data as Float32Array
          map.get('weight').data.forEach((value, i) => expect(own[i]).toBeCloseTo(value, 5))
        }
      }
    },
  )

  it('is a model again, with the same parameters', async () => {
    const model = await importOnnx(bytesOf())
    const file = extendOnnx(model, {
      loss: (y, t) => crossEntropy(y, t as Tensor<'int32'>),
      extensions: { gradient: Gradient() },
    })
    const again = await importOnnx<Record<string, Tensor>>(file.bytes)
    expect(again.parameters.names).toContain('weight')
    expect(again.parameters.get('weight').cell.data).toEqual(model.parameters.get('weight').cell.data)
  })

  it('names factors and random numbers', async () => {
    const model = await importOnnx(bytesOf())
    const { inputs, outputs } = extendOnnx(model, {
      loss: (y, t) => crossEntropy(y, t as Tensor<'int32'>),
      extensions: { kfac: KFAC(), 'diag-ggn-mc': DiagGGNMC() },
    })
    expect(inputs.slice(2).map(({ name }) => name)).toEqual(['random.cross-entropy'])
    expect(outputs.slice(2).map(({ name }) => name)).toEqual([
      'kfac/weight/output',
      'kfac/weight/input',
      'diag-ggn-mc/weight',
    ])
  })

  it('takes targets of other kinds', async () => {
    const model = await importOnnx(bytesOf())
    const target = (shape: readonly (number | string)[]): { shape: readonly (number | string)[] } => ({
      shape,
    })
    for (const loss of [mseLoss, bceWithLogits]) {
      const { inputs } = extendOnnx(model, { loss: (y, t) => loss(y, t as Tensor), extensions: {}, target })
      expect(inputs[1]).toEqual({ name: 'target', dtype: 'float32', shape: ['batch_size', 3] })
    }
    const fixed = { shape: [5, 3], dtype: 'float32' } as const
    const inputs = { x: [5, 2] }
    const file = extendOnnx(model, {
      loss: (y, t) => mseLoss(y, t as Tensor),
      extensions: {},
      target: fixed,
      inputs,
    })
    expect(file.outputs[0]!.shape).toEqual([5, 3])
  })

  it('refuses what it cannot know', async () => {
    const options = {
      loss: (y: Tensor, t: unknown): Tensor => crossEntropy(y, t as Tensor<'int32'>),
      extensions: {},
    }
    const builder = modelBuilder({ opset: 17, name: 'two' })
    const input = builder.input('target', 'float32', ['N', 'T'])
    const weight = builder.initializer('float32', [1], [2], 'weight')
    const y = builder.node('Mul', [input, weight])
    builder.output('a', 'float32', ['N', 'T'], y)
    builder.output(
      'b',
      'float32',
      ['M'],
      builder.node('Reshape', [y, builder.initializer('int64', [1], [-1])]),
    )
    const two = (await importOnnx<Record<string, Tensor>>(
      builder.finish(),
    )) as unknown as ImportedModel<Tensor>
    expect(() => extendOnnx(two, options)).toThrow(
      'the model has several outputs, say which one the loss looks at: a, b',
    )
    expect(() => extendOnnx(two, { ...options, output: 'a' })).toThrow(
      'an input of the model is called "target"',
    )
    const model = await importOnnx(bytesOf())
    expect(() => extendOnnx(model, { ...options, inputs: { z: [1] } })).toThrow(
      'the model has no input "z"; there are: x',
    )
  })
})
