/** @file Import, train, export: the same file with new weights, which ONNX Runtime runs to the same outputs. */
import { crossEntropy } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear, SGD, trainStep } from '@beyondgrad/nn'
import { formatModel, modelBuilder, parseModel } from '@beyondgrad/onnx'
import { type AnyTensor, evaluate, type NDArray, type Tensor, tensor } from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { importOnnx, type ImportedModel } from '../src/index.ts'
import { modelFolder, modelNames, readReference } from './reference-model.ts'

const engine = onnxruntime()

/** What ONNX Runtime makes of a file, with nothing of ours in between. */
async function outputsOf(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, NDArray>>,
): Promise<Float32Array[]> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 })
  const feeds = Object.entries(inputs).map(
    ([name, { dtype, shape, data }]) => [name, new OrtTensor(dtype, data, shape)] as const,
  )
  const results = await session.run(Object.fromEntries(feeds))
  await session.release()
  return session.outputNames.map((name) => results[name]!.data as Float32Array)
}

/** Some steps of gradient descent. */
async function trained(
  model: ImportedModel,
  inputs: Readonly<Record<string, AnyTensor>>,
  target: Tensor<'int32'>,
): Promise<number[]> {
  const losses: number[] = []
  // A model of several inputs is trained as a module that has them inside.
  const ofInputs = Object.assign(() => model(inputs), { parameters: model.parameters })
  const train = trainStep({
    model: ofInputs,
    loss: (scores: Tensor, labels: Tensor<'int32'>) => crossEntropy(scores, labels),
    optimizer: SGD(model.parameters, { learningRate: 1e-3 }),
    engine,
  })
  for (let i = 0; i < 2; i++) {
    losses.push((await train({ inputs: Object.values(inputs)[0] as Tensor, targets: target })).loss)
  }
  return losses
}

describe('a model that was trained', () => {
  it.each([...modelNames, 'ppocr_cls'])('%s', { timeout: 120_000 }, async (name) => {
    const folder = modelFolder(name)
    if (folder === undefined) return
    const { reference, array, input } = readReference(folder)
    const original = new Uint8Array(readFileSync(`${folder}/model.onnx`))
    const model = await importOnnx({ path: `${folder}/model.onnx` })
    const inputs = Object.fromEntries(reference.inputs.map((each) => [each.name, input(each.tensor)]))
    expect(Buffer.from(model.toOnnx()).equals(original), 'untouched, it is its own file').toBe(true)

    const labels = array(reference.loss.labels)
    const target = {
      ...labels,
      dtype: 'int32',
      data: Int32Array.from(labels.data as BigInt64Array, Number),
    } as const
    await trained(model.withLogits(), inputs, tensor(target))
    const written = model.toOnnx()
    const [before, after] = [parseModel(original), parseModel(written)]
    const namesOf = ({ graph }: typeof before): unknown => ({
      graph: graph!.name,
      initializers: graph!.initializer.map((each) => [each.name, each.dims, each.dataType]),
      nodes: graph!.node.map((node) => [node.name, node.opType, node.input, node.output]),
      inputs: graph!.input,
      outputs: graph!.output,
    })
    expect(namesOf(after)).toEqual(namesOf(before))
    const { graph: _, ...metadata } = before
    expect(after).toMatchObject(metadata)

    const [found] = await outputsOf(
      written,
      Object.fromEntries(reference.inputs.map((each) => [each.name, array(each.tensor) as NDArray])),
    )
    const { ours, untrained } = await evaluate(
      { ours: model(inputs), untrained: (await importOnnx({ path: `${folder}/model.onnx` }))(inputs) },
      { engine },
    )
    const size = Math.max(...ours.data.map(Math.abs))
    const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
      Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((most, each) => Math.max(most, each), 0)
    expect(apart(found!, ours.data)).toBeLessThan(1e-5 * size)
    expect(apart(found!, untrained.data)).toBeGreaterThan(apart(found!, ours.data))
  })
})

const traps = new URL('../../../fixtures/onnx-traps/', import.meta.url)

describe('toOnnx', () => {
  it.each([
    'float16_weights',
    'external_data',
    'weights_in_constant_nodes',
    'if_constant_condition',
    'shared_initializer',
    'weight_through_identity',
  ])('writes what became of %s', async (name) => {
    const model = await importOnnx({ path: fileURLToPath(new URL(`${name}/model.onnx`, traps)) })
    for (const [, p] of model.parameters) p.set(Float32Array.from(p.cell.data as Float32Array, (x) => 2 * x))
    const again = await importOnnx(model.toOnnx())
    expect(again.parameters.names).toEqual(model.parameters.names)
    for (const [, p] of model.parameters) {
      expect(again.parameters.get(p.name).cell.data).toEqual(p.cell.data)
    }
  })

  it('takes what other files held into the model', async () => {
    const model = await importOnnx({ path: fileURLToPath(new URL('external_data/model.onnx', traps)) })
    const again = await importOnnx(model.toOnnx())
    expect(again.parameters.get('w').cell.data).toEqual(model.parameters.get('w').cell.data)
  })

  it('writes a cut model up to there, and one without its head', async () => {
    const file = modelBuilder({ opset: 17 })
    const x = file.input('x', 'float32', ['N', 2])
    const w = file.initializer('float32', [2, 3], [1, 2, 3, 4, 5, 6], 'w')
    const v = file.initializer('float32', [3, 3], [1, 0, 2, 0, 1, 0, 1, 1, 1], 'v')
    const [h] = file.node('MatMul', [x, w], {}, { outputs: ['h'] })
    const [z] = file.node('MatMul', [h, v], {}, { outputs: ['z'] })
    file.output('p', 'float32', ['N', 3], file.node('Softmax', [z], { axis: 1 }))
    const model = await importOnnx(file.finish())
    const at = tensor([[1, 2], [3, 4]]) // prettier-ignore
    for (const part of [model.cut('h'), model.withLogits()]) {
      const bytes = part.toOnnx()
      const again = await importOnnx(bytes)
      expect(again.parameters.names).toEqual(part.parameters.names)
      const wanted = await part(at).read()
      expect(await again(at).read()).toEqual(wanted)
      const [found] = await outputsOf(bytes, {
        x: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      })
      expect(Array.from(found!)).toEqual(Array.from(wanted.data))
    }
    expect(parseModel(model.cut('h').toOnnx()).graph!.initializer.map(({ name }) => name)).toEqual(['w'])
    expect(() => model.replaceHead('h', Linear(3, 2)).toOnnx()).toThrow('exportOnnx')
  })

  it('refuses what has changed inside of a function, which several nodes may call', async () => {
    const message = parseModel(readFileSync(new URL('local_function/model.onnx', traps)))
    const file = modelBuilder({ opset: 17 })
    file.output(
      'c',
      'float32',
      [3],
      file.node('Constant', [], { value: { tensor: { dtype: 'float32', shape: [3], data: [1, 2, 3] } } }),
    )
    const [constant] = parseModel(file.finish()).graph!.node
    const [called] = message.functions
    const last = called!.node.at(-1)!
    const bias = {
      ...last,
      opType: 'Add',
      name: '',
      domain: '',
      input: [last.output[0]!, 'own'],
      output: [called!.output[0]!],
      attribute: [],
    }
    last.output = ['before']
    bias.input[0] = 'before'
    called!.node = [...called!.node, { ...constant!, output: ['own'] }, bias]
    const model = await importOnnx(formatModel(message), { trainable: () => true })
    const inside = model.parameters.names.find((name) => name.endsWith('/own'))!
    expect(model.toOnnx()).toEqual(formatModel(message))
    model.parameters.get(inside).set(Float32Array.of(3, 2, 1))
    expect(() => model.toOnnx()).toThrow(/".*\/own" has changed, but is inside of a function/)
  })
})

describe('withLogits', () => {
  const ending = async (
    tail: (file: ReturnType<typeof modelBuilder>, z: string) => string,
  ): Promise<ImportedModel> => {
    const file = modelBuilder({ opset: 17 })
    const x = file.input('x', 'float32', ['N', 2])
    const [z] = file.node(
      'MatMul',
      [x, file.initializer('float32', [2, 3], [1, 2, 3, 4, 5, 6], 'w')],
      {},
      { outputs: ['z'] },
    )
    file.output('p', 'float32', ['N', 3], tail(file, z))
    return importOnnx(file.finish())
  }

  it.each([
    [
      'Softmax',
      'crossEntropy',
      (file: ReturnType<typeof modelBuilder>, z: string) => file.node('Softmax', [z]),
    ],
    [
      'LogSoftmax',
      'crossEntropy',
      (file: ReturnType<typeof modelBuilder>, z: string) => file.node('LogSoftmax', [z]),
    ],
    [
      'LogSoftmax',
      'crossEntropy',
      (file: ReturnType<typeof modelBuilder>, z: string) => file.node('Log', [file.node('Softmax', [z])]),
    ],
    [
      'Sigmoid',
      'bceWithLogits',
      (file: ReturnType<typeof modelBuilder>, z: string) =>
        file.node('Identity', [file.node('Sigmoid', [z])]),
    ],
  ])('cuts a %s off', async (operator, loss, tail) => {
    const model = await ending(tail)
    expect(model.notes.join()).toContain(`the output "p" is the ${operator}`)
    expect(model.notes.join()).toContain(`of "z": for ${loss}`)
    const logits = model.withLogits()
    expect(logits.outputs.map(({ name, shape }) => [name, shape])).toEqual([['z', ['N', 3]]])
    expect((await logits(tensor([[1, 1]])).read()).data).toEqual(Float64Array.of(5, 7, 9))
    expect(logits.withLogits()).toBe(logits)
  })

  it('leaves what is no probability alone', async () => {
    const model = await ending((file, z) => file.node('Mul', [file.node('Sigmoid', [z]), z]))
    expect(model.withLogits()).toBe(model)
    expect(model.notes).toEqual([])
  })
})

describe('bodies with equal names', () => {
  it('keep their own numbers, and are written where they belong', async () => {
    const branch = (value: number): ReturnType<typeof parseModel>['graph'] => {
      const body = modelBuilder({ opset: 17, name: `branch${value}` })
      const c = body.initializer('float32', [2], [value, value], 'c')
      body.output('r', 'float32', [2], body.node('Mul', [c, body.initializer('float32', [1], [1], 'one')]))
      return parseModel(body.finish()).graph
    }
    const file = modelBuilder({ opset: 17 })
    const x = file.input('x', 'float32', ['N', 2])
    const no = file.initializer('bool', [], [0], 'no')
    const y = file.node('If', [no], {
      then_branch: { graph: branch(1)! },
      else_branch: { graph: branch(2)! },
    })
    file.output('z', 'float32', ['N', 2], file.node('Add', [x, y]))
    const model = await importOnnx(file.finish())
    const at = tensor([[0, 0]])
    expect((await model(at).read()).data).toEqual(Float64Array.of(2, 2))
    model.parameters.get('c#2').set(Float32Array.of(5, 6))
    expect((await model(at).read()).data).toEqual(Float64Array.of(5, 6))
    expect((await (await importOnnx(model.toOnnx()))(at).read()).data).toEqual(Float64Array.of(5, 6))
  })
})
