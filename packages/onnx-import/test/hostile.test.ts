/** @file Files that are wrong, by accident or on purpose: every one is refused with a reason. */
import { formatModel, type ModelProto, modelBuilder, type NodeProto, parseModel } from '@beyondgrad/onnx'
import { BeyondgradError, evaluate, type Tensor, tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { importOnnx, type ModelOutput, OnnxImportError } from '../src/index.ts'

/** x → -x → |x|, in nodes a and b. */
function chain(change: (model: ModelProto, a: NodeProto, b: NodeProto) => void): Uint8Array {
  const model = modelBuilder({ opset: 17 })
  const x = model.input('x', 'float32', ['N'])
  const [h] = model.node('Neg', [x], {}, { name: 'a', outputs: ['h'] })
  const [y] = model.node('Abs', [h], {}, { name: 'b', outputs: ['y'] })
  model.output('y', 'float32', ['N'], y)
  const message = parseModel(model.finish())
  const [a, b] = message.graph!.node as [NodeProto, NodeProto]
  change(message, a, b)
  return formatModel(message)
}

async function problemsOf(bytes: Uint8Array): Promise<string> {
  const error: unknown = await importOnnx(bytes).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(OnnxImportError)
  return (error as Error).message
}

describe('a graph', () => {
  it('whose nodes wait for each other', async () => {
    const circle = chain((_, a) => {
      a.input = ['y']
    })
    expect(await problemsOf(circle)).toContain(
      'node "a" (Neg) is one of 2 nodes that wait for each other in a circle',
    )
  })

  it('that makes a value twice, or not at all', async () => {
    expect(await problemsOf(chain((_, __, b) => (b.output = ['h'])))).toContain('the value "h" is made twice')
    expect(await problemsOf(chain((_, a) => (a.input = ['q'])))).toContain(
      'node "a" (Neg) uses "q", which nothing makes',
    )
    expect(await problemsOf(chain((model) => (model.graph!.output[0]!.name = 'z')))).toContain(
      'nothing makes the output "z"',
    )
  })

  it('of a domain without a version', async () => {
    expect(await problemsOf(chain((_, a) => (a.domain = 'com.example')))).toContain(
      'whose version the file does not say',
    )
  })

  it('whose names are those of properties that every object has', async () => {
    const odd = chain((model, a, b) => {
      a.output = b.input = ['__proto__']
      a.name = 'constructor'
      model.graph!.input[0]!.name = a.input[0] = 'toString'
      model.graph!.output[0]!.name = b.output[0] = 'hasOwnProperty'
    })
    const model = await importOnnx(odd)
    expect(await evaluate(model({ toString: tensor([-1, 2]) }))).toMatchObject({
      data: Float64Array.of(1, 2),
    })
    expect(model.cut('__proto__')(tensor([1])).shape).toEqual([1])
    expect(await problemsOf(chain((_, a) => (a.opType = 'constructor')))).toContain(
      'constructor of opset 17 (1 node: "a") is not supported',
    )
  })

  it('with an attribute of another kind, or without one', async () => {
    const model = modelBuilder({ opset: 17 })
    const x = model.input('x', 'float32', [2])
    model.output('y', 'int64', [2], model.node('Cast', [x], { to: { f: 7 } }, { name: 'c' }))
    expect(await problemsOf(model.finish())).toContain('attribute to must be of kind int, not float')
    expect(await problemsOf(chain((_, a) => (a.opType = 'Cast')))).toContain(
      'node "a" (Cast) lacks the attribute to',
    )
  })
})

describe('functions of a model', () => {
  const calling = (from: string, to: string): Record<string, unknown> => ({
    name: from,
    domain: 'local',
    input: ['u'],
    output: ['v'],
    attribute: [],
    attributeProto: [],
    opsetImport: [{ domain: '', version: 17n }, { domain: 'local', version: 1n }], // prettier-ignore
    node: [1, 2].map((i) => ({
      input: [i === 1 ? 'u' : 'w'],
      output: [i === 1 ? 'w' : 'v'],
      opType: to,
      domain: 'local',
      name: '',
      overload: '',
      attribute: [],
    })),
    overload: '',
  })
  const withFunctions = (list: readonly Record<string, unknown>[]): Uint8Array =>
    chain((model, a) => {
      a.opType = 'F0'
      a.domain = 'local'
      model.opsetImport.push({ ...model.opsetImport[0]!, domain: 'local', version: 1n })
      const [template] = parseModel(readFileSync(new URL('local_function/model.onnx', traps))).functions
      for (const each of list) {
        const node = (each.node as Record<string, unknown>[]).map((n) => ({ ...template!.node[0]!, ...n }))
        const opsetImport = (each.opsetImport as Record<string, unknown>[]).map((o) => ({
          ...template!.opsetImport[0]!,
          ...o,
        }))
        model.functions.push({ ...template!, ...each, node, opsetImport })
      }
    })

  it('may not call themselves', async () => {
    expect(await problemsOf(withFunctions([calling('F0', 'F0')]))).toContain(
      'the function local.F0 calls itself',
    )
    expect(await problemsOf(withFunctions([calling('F0', 'F1'), calling('F1', 'F0')]))).toContain(
      'calls itself',
    )
  })

  it('may not grow without end', { timeout: 30_000 }, async () => {
    const doubling = Array.from({ length: 30 }, (_, i) => calling(`F${i}`, `F${i + 1}`))
    expect(await problemsOf(withFunctions(doubling))).toContain('there are more than 262144 nodes')
  })
})

const traps = new URL('../../../fixtures/onnx-traps/', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-import-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('data in other files', () => {
  const model = new URL('external_data/model.onnx', traps)
  const weights = fileURLToPath(new URL('external_data/weights.bin', traps))

  it('are read by path and by address', async () => {
    const byPath = await importOnnx({ path: fileURLToPath(model) })
    const byAddress = await importOnnx(pathToFileURL(fileURLToPath(model)))
    expect(byPath.parameters.get('w').cell.data).toEqual(byAddress.parameters.get('w').cell.data)
  })

  it('are out of reach of bytes', async () => {
    const error = await importOnnx(readFileSync(model)).catch((reason: Error) => reason.message)
    expect(error).toContain('tensors of the model are in the file "weights.bin"')
  })

  it('are not read through a link that leads out of the folder', async () => {
    const inside = join(folder, 'model')
    mkdirSync(inside)
    copyFileSync(model, join(inside, 'model.onnx'))
    copyFileSync(weights, join(folder, 'secret.bin'))
    symlinkSync(join(folder, 'secret.bin'), join(inside, 'weights.bin'))
    const message = await importOnnx({ path: join(inside, 'model.onnx') }).catch(
      (reason: Error) => reason.message,
    )
    expect(message).toContain('"weights.bin" is a link that leads out of the model\'s folder')
  })

  it('must be there, and long enough', async () => {
    const short = join(folder, 'short')
    mkdirSync(short)
    copyFileSync(model, join(short, 'model.onnx'))
    const missing = await importOnnx({ path: join(short, 'model.onnx') }).catch(
      (reason: Error) => reason.message,
    )
    expect(missing).toContain('the file "weights.bin", which tensors of the model are in, can\'t be read')
    writeFileSync(join(short, 'weights.bin'), new Uint8Array(20))
    const cut = await importOnnx({ path: join(short, 'model.onnx') }).catch((reason: Error) => reason.message)
    expect(cut).toMatch(/tensor "w" needs \d+ bytes.*a file of 20 bytes/)
  })
})

describe('an import', () => {
  it('is cancelled', async () => {
    const signal = AbortSignal.abort()
    await expect(
      importOnnx({ path: fileURLToPath(new URL('external_data/model.onnx', traps)) }, { signal }),
    ).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('of a path that is none says so', async () => {
    await expect(importOnnx({ path: join(folder, 'nothing.onnx') })).rejects.toThrow(
      /nothing\.onnx can't be read/,
    )
  })
})

describe('damaged files', () => {
  const files = readdirSync(traps, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readFileSync(new URL(`${entry.name}/model.onnx`, traps)))

  it('are read or refused', { timeout: 60_000 }, async () => {
    const damage = fc.record({ at: fc.nat(4000), to: fc.integer({ min: 0, max: 255 }) })
    const property = fc.asyncProperty(
      fc.constantFrom(...files),
      fc.array(damage, { maxLength: 5 }),
      fc.option(fc.nat(4000)),
      async (file, damages, length) => {
        const bytes = new Uint8Array(file).slice(0, length ?? undefined)
        for (const { at, to } of damages) bytes[at % Math.max(1, bytes.length)] = to
        try {
          const model = await importOnnx<ModelOutput>(bytes)
          model(...model.inputs.map(({ shape }) => zerosOf(shape)))
        } catch (error) {
          expect(error).toBeInstanceOf(BeyondgradError)
        }
      },
    )
    await fc.assert(property, { numRuns: 1500 })
  })
})

function zerosOf(shape: readonly unknown[] = []): Tensor {
  const sizes = shape.map((size) => (typeof size === 'number' && size < 100 ? size : 2))
  return tensor(new Float32Array(sizes.reduce((a, b) => a * b, 1)), { shape: sizes, dtype: 'float32' })
}
