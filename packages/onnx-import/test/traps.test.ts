/** @file Files that importers trip over: fixtures/onnx-traps, with what must become of each. */
import { parseTensor } from '@beyondgrad/onnx'
import { evaluate, type NDArray, tensor } from '@beyondgrad/tensor'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { importOnnx, OnnxImportError } from '../src/index.ts'

interface Expectation {
  readonly load: 'ok' | 'error'
  readonly inputs?: readonly string[]
  readonly parameters?: readonly string[]
  readonly buffers?: readonly string[]
  readonly message_names?: readonly string[]
  readonly data?: string
}

const root = fileURLToPath(new URL('../../../fixtures/onnx-traps/', import.meta.url))
const expectations = JSON.parse(readFileSync(`${root}expect.json`, 'utf8')) as Record<string, Expectation>

const arraysOf = (folder: string, kind: string): NDArray[] => {
  const arrays: NDArray[] = []
  for (let i = 0; existsSync(`${folder}/${kind}_${i}.pb`); i++) {
    arrays.push(parseTensor(readFileSync(`${folder}/${kind}_${i}.pb`)) as unknown as NDArray)
  }
  return arrays
}

describe.each(Object.entries(expectations))('%s', (name, wanted) => {
  const path = `${root}${name}/model.onnx`
  if (wanted.load === 'error') {
    it('is refused, with names', async () => {
      const error: unknown = await importOnnx({ path }).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(OnnxImportError)
      for (const part of wanted.message_names ?? []) expect((error as Error).message).toContain(part)
    })
    return
  }
  it('is read, and gives what it must', async () => {
    const model = await importOnnx({ path })
    if (wanted.inputs) expect(model.inputs.map((input) => input.name)).toEqual(wanted.inputs)
    if (wanted.parameters) expect([...model.parameters.names].sort()).toEqual([...wanted.parameters].sort())
    expect([...model.buffers.names].sort()).toEqual([...(wanted.buffers ?? [])].sort())
    const folder = `${root}${name}/${wanted.data}`
    const outputs = Object.values(model.all(...arraysOf(folder, 'input').map((array) => tensor(array))))
    const found = await evaluate(outputs)
    const expected = arraysOf(folder, 'output')
    expect(found.length).toBe(expected.length)
    found.forEach(({ shape, data }, i) => {
      expect(shape).toEqual(expected[i]!.shape)
      data.forEach((value, k) => expect(Number(value)).toBeCloseTo(expected[i]!.data[k]!, 5))
    })
  })
})

describe('a baked batch size without a declared one', () => {
  it('is found where the sizes tell it, and noted', async () => {
    const model = await importOnnx({ path: `${root}baked_batch_reshape_error/model.onnx` })
    const [input] = model.inputs
    const shape = input!.shape!.map((size, axis) => (axis === 0 ? 3 : (size as number)))
    const x = tensor(new Float32Array(shape.reduce((a, b) => a * b)), { shape, dtype: 'float32' })
    expect(model(x).shape[0]).toBe(3)
    expect(model.notes.join()).toContain('holds the batch size 2 of the export')
  })
})
