/** @file The builder, seen through the bytes it writes and through ONNX Runtime. */

import { create } from '@bufbuild/protobuf'
import { DataError, type DType } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  modelBuilder,
  parseModel,
  type NodeAttributes,
  type GraphProto,
  type ModelBuilder,
} from '../src/index.ts'
import {
  AttributeProto_AttributeType as Kind,
  GraphProtoSchema,
  TensorProto_DataType,
  type AttributeProto,
} from '../src/proto/onnx_pb.ts'

function graphOf(builder: ModelBuilder): GraphProto {
  const { graph } = parseModel(builder.finish())
  if (graph === undefined) throw new Error('unreachable: parseModel requires a graph')
  return graph
}

async function run(
  builder: ModelBuilder,
  feeds: Record<string, Tensor> = {},
): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(builder.finish(), { intraOpNumThreads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

const float = (data: number[], shape: number[]): Tensor =>
  new Tensor('float32', Float32Array.from(data), shape)

describe('a model in ONNX Runtime', () => {
  it('computes x W + b, with a free batch axis', async () => {
    const model = modelBuilder({ opset: 20, name: 'affine' })
    const x = model.input('x', 'float32', ['N', 2])
    const weight = model.initializer('float32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6), '0.weight')
    const bias = model.initializer('float32', [3], [10, 20, 30])
    const y = model.node('Add', [model.node('MatMul', [x, weight]), bias])
    model.output('y', 'float32', ['N', 3], y)

    const one = await run(model, { x: float([1, 1], [1, 2]) })
    expect([...(one['y']?.data as Float32Array)]).toEqual([15, 27, 39])
    const two = await run(model, { x: float([1, 0, 0, 1], [2, 2]) })
    expect(two['y']?.dims).toEqual([2, 3])
    expect([...(two['y']?.data as Float32Array)]).toEqual([11, 22, 33, 14, 25, 36])
  })

  it('takes several outputs, and outputs and inputs that are left out', async () => {
    const model = modelBuilder({ opset: 20 })
    const x = model.input('x', 'float32', [4])
    const [values] = model.node(
      'TopK',
      [x, model.initializer('int64', [1], 2)],
      { largest: 1 },
      { outputs: 2 },
    )
    // A recurrent cell that computes tanh(x); only its last state is asked for.
    const one = model.initializer('float32', [1, 1, 1], 1)
    const zero = model.initializer('float32', [1, 1, 1], 0)
    const names = model.node(
      'RNN',
      [one, one, zero],
      { hidden_size: 1 },
      { outputs: ['', 'last'], name: 'cell' },
    )
    const low = model.initializer('float32', [], 2.5)
    model.output('clipped', 'float32', [4], model.node('Clip', [x, '', low]))
    model.output('values', 'float32', [2], values)
    model.output('last', 'float32', [1, 1, 1])
    expect(names).toEqual(['', 'last'])

    const results = await run(model, { x: float([3, 1, 4, 2], [4]) })
    expect([...(results['clipped']?.data as Float32Array)]).toEqual([2.5, 1, 2.5, 2])
    expect([...(results['values']?.data as Float32Array)]).toEqual([4, 3])
    expect(results['last']?.data[0]).toBeCloseTo(Math.tanh(1), 6)
    expect(graphOf(model).node.map(({ name }) => name)).toContain('cell')
  })

  it('gives every dtype back as it was stored', async () => {
    const model = modelBuilder({ opset: 20 })
    const stored: [DType, number[]][] = [
      ['float32', [0.5, -1]],
      ['float64', [0.1, 1e300]],
      ['int32', [-(2 ** 31), 2 ** 31 - 1]],
      ['int64', [-1, 2 ** 53 - 1]],
      ['bool', [1, 0]],
    ]
    for (const [dtype, data] of stored) {
      model.output(dtype, dtype, [2], model.initializer(dtype, [2], data))
    }
    const results = await run(model)
    for (const [dtype, data] of stored) {
      expect(results[dtype]?.type).toBe(dtype)
      expect(Array.from(results[dtype]?.data as ArrayLike<number | bigint>, Number)).toEqual(data)
    }
  })

  it('gives one value out under several names, and inputs as they are', async () => {
    const model = modelBuilder({ opset: 20 })
    const x = model.input('x', 'float32', [1])
    const y = model.node('Neg', [x])
    model.output('a', 'float32', [1], y)
    model.output('b', 'float32', [1], y)
    model.output('same', 'float32', [1], x)
    model.output('twice', 'float32', [1], model.node('Add', [y, y]))
    const results = await run(model, { x: float([3], [1]) })
    const values = Object.entries(results).map(([name, { data }]) => [name, Number(data[0])])
    expect(Object.fromEntries(values)).toEqual({ a: -3, b: -3, same: 3, twice: -6 })
    // Renamed where possible: the copies are for the second name and for the input.
    expect(graphOf(model).node.map(({ opType }) => opType)).toEqual(['Neg', 'Add', 'Identity', 'Identity'])
  })

  it('runs operators of other domains, and graphs inside attributes that read outer values', async () => {
    const model = modelBuilder({ opset: 20, domains: { 'com.microsoft': 1 } })
    const x = model.input('x', 'float32', [2])
    const gelu = model.node('Gelu', [x], {}, { domain: 'com.microsoft' })
    const branch = (opType: string): GraphProto => {
      const inner = graphOf(branchModel(opType))
      return create(GraphProtoSchema, { name: opType, node: inner.node.slice(1), output: inner.output })
    }
    // The branches read the value that `Gelu` computes by its name in the outer graph.
    const branchModel = (opType: string): ModelBuilder => {
      const inner = modelBuilder({ opset: 20 })
      inner.node('Gelu', [inner.input('unused', 'float32', [2])], {}, { outputs: [gelu] })
      inner.node(opType, [gelu], {}, { outputs: [`${opType} result`] })
      inner.output(`${opType} result`, 'float32', [2])
      return inner
    }
    const condition = model.input('condition', 'bool', [])
    const chosen = model.node('If', [condition], {
      then_branch: { graph: branch('Neg') },
      else_branch: { graph: branch('Abs') },
    })
    model.output('gelu', 'float32', [2], gelu)
    model.output('chosen', 'float32', [2], chosen)

    const feeds = { x: float([0, 100], [2]), condition: new Tensor('bool', Uint8Array.of(1), []) }
    const results = await run(model, feeds)
    expect([...(results['gelu']?.data as Float32Array)]).toEqual([0, 100])
    expect([...(results['chosen']?.data as Float32Array)]).toEqual([-0, -100])
  })
})

describe('initializers', () => {
  it('are stored once when their content is equal, scalars too', () => {
    const model = modelBuilder({ opset: 20 })
    const big = Float32Array.from({ length: 1000 }, (_, i) => i)
    const other = big.slice()
    other[999] = 0
    expect(model.initializer('float32', [], 1)).toBe(model.initializer('float32', [], Float32Array.of(1)))
    expect(model.initializer('float32', [10, 100], big)).toBe(
      model.initializer('float32', [10, 100], big.slice()),
    )
    const distinct = [
      model.initializer('float32', [], 1),
      model.initializer('float64', [], 1),
      model.initializer('float32', [1], 1),
      model.initializer('int64', [], 1),
      model.initializer('float32', [], 0),
      model.initializer('float32', [], -0),
      model.initializer('float32', [10, 100], big),
      model.initializer('float32', [1000], big),
      model.initializer('float32', [10, 100], other),
      model.initializer('float32', [], 1, 'scale'),
      model.initializer('float32', [], 1, 'shift'),
    ]
    expect(new Set(distinct).size).toBe(distinct.length)
    model.output('y', 'float32', [], 'scale')
    expect(graphOf(model).initializer.length).toBe(distinct.length)
  })

  it('hold little-endian bytes of any numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 50 }), (numbers) => {
        const model = modelBuilder({ opset: 20 })
        model.output(
          'y',
          'float32',
          [numbers.length],
          model.initializer('float32', [numbers.length], numbers),
        )
        const raw = graphOf(model).initializer[0]?.rawData ?? new Uint8Array()
        const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
        expect(numbers.map((_, i) => view.getFloat32(4 * i, true))).toEqual(numbers)
      }),
    )
  })

  it('view part of a buffer, and convert between float arrays', () => {
    const model = modelBuilder({ opset: 20 })
    const part = Float32Array.of(9, 1, 2, 9).subarray(1, 3)
    expect(model.initializer('float32', [2], part)).toBe(
      model.initializer('float32', [2], Float64Array.of(1, 2)),
    )
  })
})

describe('attributes', () => {
  const attributes = {
    int: 0,
    long: 2n ** 63n - 1n,
    ints: [1, -1, 2n],
    none: [],
    float: { f: 0.5 },
    floats: { floats: [1, 2.5] },
    text: 'zeros ä',
    texts: ['a', 'b'],
    noTexts: { strings: [] },
    tensor: { tensor: { dtype: 'int64', shape: [2], data: [3, 4] } },
    tensors: { tensors: [{ dtype: 'bool', shape: [], data: 1 }] },
    graph: { graph: create(GraphProtoSchema, { name: 'inner' }) },
    graphs: { graphs: [create(GraphProtoSchema, { name: 'inner' })] },
    absent: undefined,
  } as const satisfies NodeAttributes

  function written(): Map<string, AttributeProto> {
    const model = modelBuilder({ opset: 20, domains: { test: 1 } })
    model.output('y', 'float32', [], model.node('Any', [], attributes, { domain: 'test' }))
    return new Map(graphOf(model).node[0]?.attribute.map((each) => [each.name, each]))
  }

  it('of every kind survive the file', () => {
    const read = written()
    const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)
    expect([...read.keys()]).toEqual(Object.keys(attributes).filter((name) => name !== 'absent'))
    expect(read.get('int')).toMatchObject({ type: Kind.INT, i: 0n })
    expect(Object.hasOwn(read.get('int') ?? {}, 'i')).toBe(true)
    expect(read.get('long')).toMatchObject({ type: Kind.INT, i: 2n ** 63n - 1n })
    expect(read.get('ints')).toMatchObject({ type: Kind.INTS, ints: [1n, -1n, 2n] })
    expect(read.get('none')).toMatchObject({ type: Kind.INTS, ints: [] })
    expect(read.get('float')).toMatchObject({ type: Kind.FLOAT, f: 0.5 })
    expect(read.get('floats')).toMatchObject({ type: Kind.FLOATS, floats: [1, 2.5] })
    expect(read.get('text')?.type).toBe(Kind.STRING)
    expect(text(read.get('text')?.s)).toBe('zeros ä')
    expect(read.get('texts')?.type).toBe(Kind.STRINGS)
    expect(read.get('texts')?.strings.map(text)).toEqual(['a', 'b'])
    expect(read.get('noTexts')).toMatchObject({ type: Kind.STRINGS, strings: [] })
    expect(read.get('tensor')).toMatchObject({
      type: Kind.TENSOR,
      t: { dataType: TensorProto_DataType.INT64, dims: [2n] },
    })
    expect(read.get('tensor')?.t?.rawData).toEqual(new Uint8Array(BigInt64Array.of(3n, 4n).buffer))
    expect(read.get('tensors')).toMatchObject({ type: Kind.TENSORS, tensors: [{ dims: [] }] })
    expect(read.get('graph')).toMatchObject({ type: Kind.GRAPH, g: { name: 'inner' } })
    expect(read.get('graphs')).toMatchObject({ type: Kind.GRAPHS, graphs: [{ name: 'inner' }] })
  })
})

describe('the model', () => {
  it('carries its header and metadata', () => {
    const model = modelBuilder({
      opset: 21,
      domains: { 'com.microsoft': 1 },
      name: 'net',
      producer: 'test',
      producerVersion: '1.2',
      docString: 'why',
      irVersion: 10,
    })
    model.metadata({ a: '1', b: '2' })
    model.metadata({ a: '3' })
    model.output('y', 'float32', ['N', 2], model.input('x', 'float32', ['N', 2]))
    expect(parseModel(model.finish())).toMatchObject({
      irVersion: 10n,
      producerName: 'test',
      producerVersion: '1.2',
      docString: 'why',
      graph: { name: 'net' },
      opsetImport: [
        { domain: '', version: 21n },
        { domain: 'com.microsoft', version: 1n },
      ],
      metadataProps: [
        { key: 'a', value: '3' },
        { key: 'b', value: '2' },
      ],
    })
    expect(graphOf(model).input[0]?.type?.value).toMatchObject({
      case: 'tensorType',
      value: {
        elemType: TensorProto_DataType.FLOAT,
        shape: {
          dim: [{ value: { case: 'dimParam', value: 'N' } }, { value: { case: 'dimValue', value: 2n } }],
        },
      },
    })
  })

  it('can be finished, extended and finished again', async () => {
    const model = modelBuilder({ opset: 20 })
    const x = model.input('x', 'float32', [1])
    const y = model.node('Neg', [x])
    model.output('y', 'float32', [1], y)
    expect(model.finish()).toEqual(model.finish())
    model.output('z', 'float32', [1], model.node('Neg', [y]))
    expect(Number((await run(model, { x: float([2], [1]) }))['z']?.data[0])).toBe(2)
  })

  it('gives names of its own that are free', () => {
    const model = modelBuilder({ opset: 20 })
    const x = model.input('_t0', 'float32', [1])
    expect(model.node('Neg', [x])).not.toBe(x)
  })

  it('types the outputs of a node by their number', () => {
    const model = modelBuilder({ opset: 20, domains: { test: 1 } })
    const options = { domain: 'test' }
    const many: number = [1, 2].length
    expectTypeOf(model.node('A', [])).toEqualTypeOf<string>()
    expectTypeOf(model.node('A', [], {}, { ...options, outputs: 2 })).toEqualTypeOf<[string, string]>()
    expectTypeOf(model.node('A', [], {}, { ...options, outputs: many })).toEqualTypeOf<string[]>()
    expectTypeOf(model.node('A', [], {}, { ...options, outputs: ['', 'a'] })).toEqualTypeOf<
      [string, string]
    >()
  })
})

describe('mistakes', () => {
  const fresh = (): ModelBuilder => modelBuilder({ opset: 20 })
  const cases: [string, RegExp, (model: ModelBuilder) => unknown][] = [
    ['an unknown input', /node Neg: the input "z" is no value/, (m) => m.node('Neg', ['z'])],
    [
      'a domain without version',
      /the domain "d" has no version/,
      (m) => m.node('A', [], {}, { domain: 'd' }),
    ],
    [
      'a fraction as integer',
      /attribute axis: 0.5 is no integer: write \{ f/,
      (m) => m.node('A', [], { axis: 0.5 }),
    ],
    [
      'a taken name',
      /input: the name "x" is taken/,
      (m) => [m.input('x', 'bool', []), m.input('x', 'bool', [])],
    ],
    ['an empty name', /input: the name is empty/, (m) => m.input('', 'bool', [])],
    [
      'a taken output name',
      /output "y": the name is taken/,
      (m) => {
        const value = m.node('A', [])
        m.output('y', 'bool', [], value)
        m.output('y', 'bool', [], value)
      },
    ],
    ['an unknown output', /output "y": "y" is no value/, (m) => m.output('y', 'bool', [])],
    ['no outputs', /no outputs/, (m) => m.finish()],
    ['a wrong size', /2 elements do not fill the shape \[3\]/, (m) => m.initializer('float32', [3], [1, 2])],
    ['a size below 0', /has the size -1/, (m) => m.initializer('float32', [-1], [])],
    ['a free axis of stored data', /has the size NaN/, (m) => m.initializer('float32', [NaN], [])],
    ['a fractional axis', /has the size 1.5/, (m) => m.input('x', 'float32', [1.5])],
    ['a number that overflows', /2147483648 does not fit int32/, (m) => m.initializer('int32', [], 2 ** 31)],
    ['a fraction as int64', /0.5 is no exact integer/, (m) => m.initializer('int64', [], 0.5)],
    ['no bool', /2 is no bool/, (m) => m.initializer('bool', [], 2)],
  ]
  it.each(cases)('%s', (_name, message, act) => {
    const model = fresh()
    expect(() => act(model)).toThrow(DataError)
    expect(() => act(fresh())).toThrow(message)
  })

  it('a version that is none', () => {
    expect(() => modelBuilder({ opset: 0 })).toThrow(/opset 0 of domain ""/)
  })
})
