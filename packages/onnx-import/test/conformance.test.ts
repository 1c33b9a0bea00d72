/** @file ONNX's backend tests, on two engines: a few of every operator, and all of them where they lie beside the repository. */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { constant, type Engine, referenceEngine } from '@beyondgrad/tensor'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type ConformanceCase, importOnnx, runConformanceCase } from '../src/index.ts'
import { shared } from './reference-model.ts'

interface Packed {
  readonly model: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'base64')

const packed = Object.entries(
  JSON.parse(
    readFileSync(new URL('../../../fixtures/onnx-conformance.json', import.meta.url), 'utf8'),
  ) as Record<string, Packed>,
).map(([name, { model, inputs, outputs }]): ConformanceCase => ({
  name,
  model: bytes(model),
  inputs: inputs.map(bytes),
  outputs: outputs.map(bytes),
}))

/** What is refused on purpose: integers made of floats have no gradient. */
const refused = ['QuantizeLinear']

/** Cases in which single precision is not enough: numbers beyond 10³⁸, and a difference of nearly equal numbers. */
const needDouble = [
  'pytorch-operator/test_operator_add_broadcast',
  'pytorch-operator/test_operator_add_size1_right_broadcast',
  'pytorch-operator/test_operator_addconstant',
  'old-opsets/gelu_opset20_tanh',
]

const engines: readonly { readonly name: string; readonly engine: Engine; readonly single: boolean }[] = [
  { name: 'reference engine', engine: referenceEngine({ warn: () => undefined }), single: false },
  { name: 'onnxruntime', engine: onnxruntime(), single: true },
]

/** Names and messages of the cases that did not pass, but for those that are known. */
async function unexpected(
  cases: Iterable<ConformanceCase>,
  engine: Engine,
  single: boolean,
): Promise<string[]> {
  const found: string[] = []
  for (const each of cases) {
    const { status, operators, message } = await runConformanceCase(each, { engine })
    const known =
      status === 'unsupported'
        ? operators.some((operator) => refused.includes(operator))
        : single && status === 'failed' && needDouble.includes(each.name)
    if (status !== 'passed' && !known) found.push(`${status} ${each.name}: ${message}`)
  }
  return found
}

const suites = fileURLToPath(shared('onnx-conformance'))

function* allCases(): Generator<ConformanceCase> {
  const { cases } = JSON.parse(readFileSync(`${suites}manifest.json`, 'utf8')) as {
    readonly cases: readonly { readonly suite: string; readonly case: string }[]
  }
  for (const { suite, case: name } of cases) {
    // Whole architectures take their time.
    if (suite === 'light') continue
    const folder = `${suites}${suite}/${name}`
    const list = (kind: string): Uint8Array[] => {
      const files: Uint8Array[] = []
      for (let i = 0; existsSync(`${folder}/test_data_set_0/${kind}_${i}.pb`); i++) {
        files.push(readFileSync(`${folder}/test_data_set_0/${kind}_${i}.pb`))
      }
      return files
    }
    const model = { path: `${folder}/model.onnx` }
    yield { name: `${suite}/${name}`, model, inputs: list('input'), outputs: list('output') }
  }
}

describe.each(engines)('backend tests on the $name', ({ engine, single }) => {
  it('pass for every operator', { timeout: 120_000 }, async () => {
    expect(packed.length).toBeGreaterThan(400)
    expect(await unexpected(packed, engine, single)).toEqual([])
  })
  it.skipIf(!existsSync(suites))('pass, all that there are', { timeout: 300_000 }, async () => {
    expect(await unexpected(allCases(), engine, single)).toEqual([])
  })
})

describe('runConformanceCase', () => {
  const example = packed.find(({ name }) => name === 'node/test_abs')!

  it('tells what differs', async () => {
    const { status, message } = await runConformanceCase({ ...example, outputs: example.inputs })
    expect(status).toBe('failed')
    expect(message).toMatch(/output "y": element \d+ of \[3, 4, 5\] is .* instead of/)
  })

  it('makes a result of everything that goes wrong', async () => {
    expect(await runConformanceCase({ ...example, inputs: [] })).toMatchObject({ status: 'error' })
    expect(await runConformanceCase({ ...example, model: new Uint8Array(3) })).toMatchObject({
      status: 'error',
      operators: [],
    })
  })
})

describe('inputs that decide about shapes', () => {
  it('are named, and must be known', async () => {
    const { model: file } = packed.find(({ name }) => name.includes('test_reshape'))!
    const model = await importOnnx(file)
    expect([...model.known]).toEqual(['shape'])
    expect(model.inputs.map(({ name }) => name)).toEqual(['data', 'shape'])
    expect(() => model(constant([1, 2]), constant([2], 'int64'))).toThrow(/data/)
  })
})
