/** @file Operators of ONNX Runtime's own domain, against ONNX Runtime. */
import { modelBuilder } from '@beyondgrad/onnx'
import { tensor } from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { importOnnx, type ModelOutput } from '../src/index.ts'

const wave = (shape: readonly number[], from: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(from + 1.7 * i))

const cases: readonly (readonly [operator: string, shapes: readonly (readonly number[])[], attributes: object])[] = [
  ['Gelu', [[2, 3, 4]], {}],
  ['QuickGelu', [[2, 3, 4]], { alpha: { f: 1.5 } }],
  ['BiasGelu', [[2, 3, 4], [4]], {}],
  ['FastGelu', [[2, 3, 4], [4]], {}],
  ['FastGelu', [[2, 3, 4]], {}],
  ['FusedMatMul', [[2, 4, 3], [2, 5, 4]], { transA: 1, transB: 1, alpha: { f: 0.5 } }],
  ['SkipLayerNormalization', [[2, 3, 4], [2, 3, 4], [4], [4], [4]], { epsilon: { f: 1e-5 } }],
  ['SkipLayerNormalization', [[2, 3, 4], [2, 3, 4], [4]], { epsilon: { f: 1e-5 } }],
] // prettier-ignore

describe('com.microsoft', () => {
  it.each(cases)('%s on %j', async (operator, shapes, attributes) => {
    const file = modelBuilder({ opset: 17, domains: { 'com.microsoft': 1 } })
    const names = shapes.map((shape, i) => file.input(`x${i}`, 'float32', shape))
    file.output(
      'y',
      'float32',
      [2, 3, operator === 'FusedMatMul' ? 5 : 4],
      file.node(operator, names, { ...attributes }, { domain: 'com.microsoft' }),
    )
    const bytes = file.finish()
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 })
    const arrays = shapes.map((shape, i) => wave(shape, i))
    const feeds = Object.fromEntries(
      arrays.map((data, i) => [names[i]!, new OrtTensor('float32', data, shapes[i])]),
    )
    const wanted = (await session.run(feeds)).y!.data as Float32Array
    const model = await importOnnx<ModelOutput>(bytes)
    const found = await model
      .all(...arrays.map((data, i) => tensor(data, { shape: [...shapes[i]!], dtype: 'float32' })))
      .y!.read()
    expect(found.data.length).toBe(wanted.length)
    wanted.forEach((value, i) => expect(found.data[i]).toBeCloseTo(value, 5))
  })
})
