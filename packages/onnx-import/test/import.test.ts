/** @file From a file to a model that is called, differentiated, trained, cut and given another head. */
import { backward, crossEntropy, definePlugin, gradient } from '@beyondgrad/autograd'
import { BatchGradient } from '@beyondgrad/backpack'
import { Linear, Sequential, SGD, trainStep } from '@beyondgrad/nn'
import { modelBuilder, type ModelBuilder } from '@beyondgrad/onnx'
import {
  type AnyTensor,
  constant,
  evaluate,
  intTensor,
  matmul,
  mul,
  type Tensor,
  tanh,
  zeros,
  tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { importOnnx, type ModelOutput, OnnxImportError, onnxNodeOf, type OnnxOperator } from '../src/index.ts'

const w1 = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6]
const w2 = [0.3, -0.1, 0.2, 0.7, -0.5, 0.4]

/** x [N, 2] → tanh(x W₁ + b₁) [N, 3] → h W₂ [N, 2]. */
function network(change: (model: ModelBuilder, h: string) => string = (_, h) => h): Uint8Array {
  const model = modelBuilder({ opset: 17, name: 'net' })
  const x = model.input('x', 'float32', ['N', 2])
  const first = model.node(
    'MatMul',
    [x, model.initializer('float32', [2, 3], w1, 'w1')],
    {},
    { name: '/first/MatMul' },
  )
  const shifted = model.node('Add', [first, model.initializer('float32', [3], [0.1, 0.2, 0.3], 'b1')])
  const [hidden] = model.node('Tanh', [shifted], {}, { name: '/act', outputs: ['hidden'] })
  const h = change(model, hidden)
  model.output(
    'scores',
    'float32',
    ['N', 2],
    model.node('MatMul', [h, model.initializer('float32', [3, 2], w2, 'w2')]),
  )
  return model.finish()
}

const x = (): Tensor => tensor([[1, 2], [3, -4], [0.5, 0.25]]) // prettier-ignore

/** The same by hand. */
const byHand = (of: (name: string) => Tensor): Tensor =>
  matmul(tanh(matmul(x(), of('w1')).add(of('b1'))), of('w2'))

const messageOf = (bytes: Uint8Array): Promise<string> =>
  importOnnx(bytes).then(
    () => 'imported',
    (error: unknown) =>
      error instanceof OnnxImportError ? error.message : `not an OnnxImportError: ${String(error)}`,
  )

describe('importOnnx', () => {
  it('gives a function with parameters by their names', async () => {
    const model = await importOnnx(network())
    expect(model.parameters.names).toEqual(['w1', 'b1', 'w2'])
    expect(model.inputs).toEqual([{ name: 'x', dtype: 'float32', elementType: 'float', shape: ['N', 2] }])
    expect(model.outputs[0]).toMatchObject({ name: 'scores', shape: ['N', 2] })
    const by = (name: string): Tensor => model.parameters.get(name).value
    const { scores, wanted } = await evaluate({ scores: model(x()), wanted: byHand(by) })
    expect(scores).toEqual(wanted)
  })

  it('is differentiated as what is written by hand', async () => {
    const model = await importOnnx(network())
    const target = intTensor([0, 1, 1])
    const by = (name: string): Tensor => model.parameters.get(name).value
    const imported = crossEntropy(model(x()), target)
    const written = crossEntropy(byHand(by), target)
    const found = await evaluate({
      a: gradient(imported, model.parameters),
      b: gradient(written, model.parameters),
      c: backward(imported, { each: BatchGradient() }),
      d: backward(written, { each: BatchGradient() }),
    })
    for (const name of model.parameters.names) {
      expect(found.a.get(name)).toEqual(found.b.get(name))
      expect(found.c.each.get(name)).toEqual(found.d.each.get(name))
    }
  })

  it('takes tensors by name, and gives all outputs by name', async () => {
    const model = await importOnnx(network())
    const found = await evaluate({ a: model({ x: x() }), b: model.all(x()).scores! })
    expect(found.a).toEqual(found.b)
  })

  it('gives an object where there are several outputs', async () => {
    const file = network((model, h) => {
      model.output('features', 'float32', ['N', 3], h)
      return h
    })
    const model = await importOnnx<{ features: Tensor; scores: Tensor }>(file)
    const { features, scores } = model(x())
    expect([features.shape, scores.shape]).toEqual([[3, 3], [3, 2]]) // prettier-ignore
  })

  it('says which node made a tensor', async () => {
    const model = await importOnnx(network())
    expect(onnxNodeOf(model(x()).inputs[0]!)).toMatchObject({ name: '/act', operator: 'Tanh' })
    expect(onnxNodeOf(x())).toBeUndefined()
  })

  it('never writes into the bytes', async () => {
    const bytes = network()
    const before = bytes.slice()
    const model = await importOnnx(bytes)
    const optimizer = SGD(model.parameters, { learningRate: 0.5 })
    const train = trainStep({
      model,
      loss: (scores, target: Tensor<'int32'>) => crossEntropy(scores, target),
      optimizer,
    })
    const losses: number[] = []
    for (let i = 0; i < 5; i++) {
      const { loss } = await train({ inputs: x(), targets: intTensor([0, 1, 1]) })
      losses.push(loss)
    }
    expect(losses[4]).toBeLessThan(losses[0]!)
    expect(bytes).toEqual(before)
  })
})

describe('an imported model', () => {
  it('is frozen, all or in part, as another model', async () => {
    const model = await importOnnx(network())
    const frozen = model.freeze((name) => name !== 'w2')
    expect([...frozen.parameters].map(([, p]) => p.trainable)).toEqual([false, false, true])
    expect([...model.freeze().parameters].some(([, p]) => p.trainable)).toBe(false)
    expect([...model.parameters].every(([, p]) => p.trainable)).toBe(true)
    expect(
      backward(
        crossEntropy(frozen(x()), intTensor([0, 1, 1])),
        { each: BatchGradient() },
        { parameters: frozen.parameters },
      ).each.names,
    ).toEqual(['w2'])
  })

  it('is cut at a tensor inside, with the parameters up to there', async () => {
    const model = await importOnnx(network())
    const features = model.cut('hidden')
    expect(features.parameters.names).toEqual(['w1', 'b1'])
    expect(features(x()).shape).toEqual([3, 3])
    expect(() => model.cut('nowhere')).toThrow(/no node of the model makes "nowhere"/)
  })

  it('gets another head, which is trained with it or alone', async () => {
    const model = (await importOnnx(network())).freeze()
    const next = model.replaceHead('hidden', Sequential(Linear(3, 4, { seed: 1 })))
    expect(next.parameters.names).toEqual(['w1', 'b1', 'head.0.weight', 'head.0.bias'])
    expect(next(x()).shape).toEqual([3, 4])
    const loss = crossEntropy(next(x()), intTensor([0, 3, 2]))
    const { each } = backward(loss, { each: BatchGradient() }, { parameters: next.parameters })
    expect(each.names).toEqual(['head.0.weight', 'head.0.bias'])
  })

  it('describes itself', async () => {
    const text = (await importOnnx(network())).describe()
    expect(text).toContain('input x float32 [N, 2]')
    expect(text).toContain('operators MatMul × 2, Add × 1, Tanh × 1')
    expect(text).toContain('w1 [2, 3]: it is input 1 of MatMul')
  })

  it('tells what is wrong with what it is called with', async () => {
    const model = await importOnnx(network())
    expect(() => model()).toThrow('input "x" is missing; it takes x [N, 2]')
    expect(() => model(tensor([[1, 2, 3]]))).toThrow(`input "x" can't be [1, 3]`)
    expect(() => model(intTensor([[1, 2]]))).toThrow('input "x" must hold float32, not int32')
    expect(() => model({ y: x() })).toThrow('there is no input "y"')
    expect(() => model(x(), x())).toThrow('2 tensors are too many')
  })
})

describe('the option trainable', () => {
  it('chooses', async () => {
    const none = await importOnnx(network(), { trainable: 'none' })
    expect([...none.parameters].map(([, p]) => p.trainable)).toEqual([false, false, false])
    const some = await importOnnx(network(), { trainable: ({ uses }) => uses[0]?.operator === 'Add' })
    expect([...some.parameters].filter(([, p]) => p.trainable).map(([, p]) => p.name)).toEqual(['b1'])
  })
})

describe('the option operators', () => {
  const scale: OnnxOperator = {
    domain: 'com.example',
    name: 'Double',
    build: (call) => mul(call.float(0), call.attributes.float('by', 2)),
  }
  const file = (): Uint8Array => {
    const model = modelBuilder({ opset: 17, domains: { 'com.example': 3 } })
    const y = model.node(
      'Double',
      [model.input('x', 'float32', ['N', 2])],
      { by: { f: 3 } },
      { domain: 'com.example', name: 'twice' },
    )
    model.output('y', 'float32', ['N', 2], y)
    return model.finish()
  }

  it('adds operators, also those of a plugin', async () => {
    const plugin = definePlugin({ protocol: 1, name: 'beyondgrad-example', onnxOperators: [scale] })
    const model = await importOnnx(file(), { operators: plugin.onnxOperators })
    expect(await model(tensor([[1, 2]])).read()).toMatchObject({ data: Float64Array.of(3, 6) })
  })

  it('comes before what is here, and minds versions', async () => {
    const relu: OnnxOperator = { name: 'Tanh', since: 13, until: 17, build: (call) => mul(call.float(0), 0) }
    await expect((await importOnnx(network(), { operators: [relu] }))(x()).read()).resolves.toMatchObject({
      data: new Float64Array(6),
    })
    const message = await importOnnx(file(), { operators: [{ ...scale, until: 2 }] }).catch(
      (error: Error) => error.message,
    )
    expect(message).toContain('com.example.Double of opset 3 (1 node: "twice") is not supported')
  })
})

describe('problems', () => {
  it('come all at once, by operator', async () => {
    const model = modelBuilder({ opset: 17, domains: { 'com.example': 1 } })
    const a = model.input('a', 'float32', [2])
    const wrong = [1, 2, 3, 4].map((i) =>
      model.node('Foo', [a], {}, { domain: 'com.example', name: `foo_${i}` }),
    )
    const cast = model.node('Cast', [a], { to: 8 }, { name: 'to_string' })
    model.output('b', 'float32', [2], model.node('Sum', [...wrong, cast]))
    const error = (await importOnnx(model.finish()).catch((reason: unknown) => reason)) as OnnxImportError
    expect(error).toBeInstanceOf(OnnxImportError)
    expect(error.code).toBe('unsupported')
    expect(error.problems.length).toBe(5)
    expect(error.problems[0]).toMatchObject({
      kind: 'operator',
      node: 'foo_1',
      operator: 'Foo',
      domain: 'com.example',
      opset: 1,
    })
    expect(error.message).toContain(
      'com.example.Foo of opset 1 (4 nodes: "foo_1", "foo_2", "foo_3" and 1 more) is not supported',
    )
    expect(error.message).toContain(`Cast of opset 17 (1 node: "to_string") can't make elements of type 8`)
  })

  it('of a file that is none', async () => {
    expect(await messageOf(new Uint8Array())).toContain('has no graph')
    expect(await messageOf(new TextEncoder().encode('<!DOCTYPE html><html>'))).toContain('an HTML page')
    expect(await messageOf(Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0))).toContain('a ZIP archive')
  })

  it('of a node at a run name the node', async () => {
    const file = network((model, h) =>
      model.node('Reshape', [h, model.initializer('int64', [2], [5, 1])], {}, { name: '/bad' }),
    )
    const model = await importOnnx(file)
    expect(() => model(x())).toThrow(/^node "\/bad" \(Reshape\) on \[3, 3\], \[2\]/)
  })

  it('of a shape that is computed from data', async () => {
    const model = modelBuilder({ opset: 17 })
    const data = model.input('x', 'float32', ['N'])
    const shape = model.node('Cast', [data], { to: 7 })
    model.output('y', 'float32', ['N', 'M'], model.node('Expand', [data, shape], {}, { name: 'grow' }))
    const imported = await importOnnx<ModelOutput>(model.finish())
    expect(() => imported(tensor([2, 2]))).toThrow(/node "grow".*must be known before anything runs/)
    expect((imported(constant([2, 2])) as AnyTensor).shape).toEqual([2, 2])
  })
})

describe('notes', () => {
  it('tell of newer versions and unused tensors', async () => {
    const model = modelBuilder({ opset: 26 })
    const a = model.input('a', 'float32', [2])
    model.initializer('float32', [2], [1, 2], 'forgotten')
    model.output('b', 'float32', [2], model.node('Neg', [a]))
    const { notes } = await importOnnx(model.finish())
    expect(notes[0]).toContain('opset 26, newer than 23')
    expect(notes[1]).toBe('nothing uses "forgotten"')
  })

  it('tell of tied weights that were written twice', async () => {
    const file = modelBuilder({ opset: 17 })
    const x = file.input('x', 'float32', ['N', 2])
    const tied = file.initializer('float32', [2, 3], [1, 2, 3, 4, 5, 6], 'tied')
    const turned = file.initializer('float32', [3, 2], [1, 4, 2, 5, 3, 6], 'turned')
    const [a, b] = ['a', 'b'].map((name) => file.initializer('float32', [2, 2], [1, 1, 1, 1], name))
    const y = file.node('MatMul', [file.node('MatMul', [x, tied]), turned])
    file.output('y', 'float32', ['N', 2], file.node('MatMul', [file.node('MatMul', [y, a!]), b!]))
    expect((await importOnnx(file.finish())).notes).toEqual([
      '"turned" is the transpose of "tied", as a tied weight that the export has written twice; they are two parameters',
    ])
  })

  it('tell of tensors in Constant nodes that might be weights', async () => {
    const file = network((model, h) => {
      const [c] = model.node(
        'Constant',
        [],
        { value: { tensor: { dtype: 'float32', shape: [3], data: [1, 2, 3] } } },
        { outputs: ['c'] },
      )
      return model.node('Mul', [h, c])
    })
    const model = await importOnnx(file)
    expect(model.notes).toEqual([
      expect.stringMatching(/Constant nodes count as constants.*: "c"; the option trainable/),
    ])
    expect((await importOnnx(file, { trainable: () => true })).parameters.names).toContain('c')
  })
})

describe('batches', () => {
  const exported = (): ModelBuilder => modelBuilder({ opset: 17 })

  it('that a constant does not fit are told with the size of the export', async () => {
    const file = exported()
    const x = file.input('x', 'float32', [2, 3])
    const c = file.initializer('float32', [2, 3], [1, 2, 3, 4, 5, 6], 'c')
    file.output('y', 'float32', [2, 3], file.node('Add', [x, c], {}, { name: '/add' }))
    const model = await importOnnx(file.finish())
    expect(model(tensor([[1, 2, 3], [4, 5, 6]])).shape).toEqual([2, 3]) // prettier-ignore
    expect(() =>
      model(
        tensor([
          [1, 2, 3],
          [4, 5, 6],
          [7, 8, 9],
        ]),
      ),
    ).toThrow(
      // prettier-ignore
      /node "\/add" \(Add\).*was exported for 2 samples and is called with 3/,
    )
  })

  it('are on the axes that the option samples says', async () => {
    const file = exported()
    const x = file.input('x', 'float32', [4, 2, 3])
    // [T, N, C] to [T, N C], as a constant of the export.
    const flat = file.node('Reshape', [x, file.initializer('int64', [2], [4, 6])], {}, { name: '/flat' })
    file.output('y', 'float32', [4, 6], flat)
    const bytes = file.finish()
    const model = await importOnnx(bytes, { samples: { x: 1 } })
    expect(model(zeros([4, 5, 3])).shape).toEqual([4, 15])
    expect(model.notes.join()).toContain('"/flat" (Reshape): the target [4, 6] holds the batch size 2')
    expect(() => model(zeros([5, 2, 3]))).toThrow(`input "x" can't be [5, 2, 3]`)
    await expect(importOnnx(bytes, { samples: { z: 1 } })).rejects.toThrow('there is no input "z"')
    await expect(importOnnx(bytes, { samples: { x: 3 } })).rejects.toThrow(
      'axis 3 of "x" is none of its 3 axes',
    )
  })
})
