/** @file Functions as files: free axes, names and metadata. */
import {
  add,
  avgPool,
  cast,
  cell,
  cellTensor,
  concat,
  constant,
  conv,
  type DType,
  eye,
  evaluate,
  guard,
  type HostArray,
  iota,
  logSoftmax,
  matmul,
  maxPool,
  namedMap,
  type NDArray,
  ones,
  referenceEngine,
  relu,
  reshape,
  type Shape,
  sizeOf,
  softmax,
  tensor,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type ExportArguments,
  type ExportedFile,
  type ExportInputs,
  exportOnnx,
  type ModelProto,
  parseModel,
} from '../src/index.ts'

const engine = referenceEngine({ warn: () => undefined })

function numbers(dtype: DType, shape: Shape): HostArray {
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + shape.length) * 2)
  if (dtype === 'int32') return Int32Array.from(values)
  return dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)
}

const weight = (name: string, shape: Shape) => {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + shape.length))
  return cell(name, { shape, dtype: 'float32', data })
}

const read = (of: ReturnType<typeof weight>): Tensor => cellTensor(of) as Tensor

type Flat = Readonly<Record<string, Tensor>>

/** Exports a function that returns a flat object, and compares the file with the function at several sizes. */
async function expectSame<const I extends ExportInputs>(
  fn: (inputs: ExportArguments<I>) => Flat,
  inputs: I,
  sizes: readonly Readonly<Record<string, number>>[],
): Promise<ExportedFile> {
  const file = exportOnnx(fn, { inputs })
  const session = await InferenceSession.create(file.bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 })
  for (const at of sizes) {
    const feeds: Record<string, OrtTensor> = {}
    const tensors: Record<string, Tensor<DType>> = {}
    for (const { name, dtype, shape } of file.inputs) {
      const dims = shape.map((size) => (typeof size === 'string' ? at[size]! : size))
      const data = numbers(dtype, dims)
      feeds[name] = new OrtTensor(dtype as 'float32', data as Float32Array, dims)
      tensors[name] = tensor(data as Float32Array, { shape: dims, dtype: dtype as 'float32' })
    }
    const expected = await evaluate(fn(tensors as unknown as ExportArguments<I>), { engine })
    const computed = (await session.run(feeds)) as unknown as Record<string, { dims: Shape; data: HostArray }>
    expect(Object.keys(computed)).toEqual(Object.keys(expected))
    for (const [name, { shape, data }] of Object.entries<NDArray<DType>>(expected)) {
      expect(computed[name]!.dims, name).toEqual(shape)
      const error = Array.from<number | bigint, number>(
        data,
        (value, i) =>
          Math.abs(Number(computed[name]!.data[i]) - Number(value)) / (1 + Math.abs(Number(value))),
      )
      expect(Math.max(...error), name).toBeLessThan(1e-5)
    }
  }
  await session.release()
  return file
}

const batches = [1, 2, 5, 17].map((N) => ({ N }))
const model = ({ bytes }: ExportedFile): ModelProto => parseModel(bytes)
const operators = (file: ExportedFile): string[] => model(file).graph!.node.map(({ opType }) => opType)

const first = weight('0.weight', [6, 8])
const second = weight('2.weight', [8, 3])
const bias = weight('2.bias', [3])

const mlp = ({ x }: { readonly x: Tensor }): { readonly scores: Tensor } => ({
  scores: logSoftmax(add(matmul(relu(matmul(x, read(first))), read(second)), read(bias))),
})

describe('a free axis', () => {
  it('of a multilayer perceptron: nothing to compute about sizes', async () => {
    const file = await expectSame(mlp, { x: { shape: ['N', 6] } }, batches)
    expect(file.notes).toEqual([])
    expect(file.outputs).toEqual([{ name: 'scores', dtype: 'float32', shape: ['N', 3] }])
    expect(operators(file)).not.toContain('Shape')
  })

  it('of a convolutional network with pools', async () => {
    const kernel = weight('kernel', [4, 2, 3, 3])
    const head = weight('head', [4 * 4, 3])
    const file = await expectSame(
      ({ image }) => {
        const hidden = maxPool(relu(conv(image, read(kernel), { padding: 1 })), [2, 2])
        const pooled = avgPool(hidden, [2, 2])
        return { scores: matmul(reshape(pooled, [image.shape[0]!, -1]), read(head)), hidden }
      },
      { image: { shape: ['N', 2, 8, 8] } },
      batches,
    )
    expect(file.notes).toEqual([])
    expect(file.outputs[1]!.shape).toEqual(['N', 4, 4, 4])
  })

  it('beside numbers that depend on it', async () => {
    const file = await expectSame(
      ({ x }) => {
        const n = x.shape[0]!
        return {
          mean: x.mean([0]),
          unbiased: x
            .square()
            .sum([0])
            .mul(1 / (n + 1)),
          scaled: x.mul(Math.sqrt(n)),
          affine: x.mul(3 * n * n - 2),
          inverse: x.mul(2 / (n * n)),
          padded: concat([x, constant([[1, 2]])], 0),
          rows: matmul(constant(new Float32Array(n).fill(1), { shape: [1, n], dtype: 'float32' }), x),
        }
      },
      { x: { shape: ['N', 2] } },
      batches,
    )
    expect(file.notes).toEqual([])
    expect(file.outputs.find(({ name }) => name === 'padded')!.shape).toEqual(['N + 1', 2])
  })

  it('beside positions, an identity and a repeated pattern', async () => {
    const file = await expectSame(
      ({ x }) => {
        const n = x.shape[0]!
        const pattern = reshape(constant([[1], [2]]).expand([2, n]), [2 * n])
        return {
          positions: x.mul(cast(iota(n), 'float32')),
          without: matmul(eye(n), reshape(x, [n, 1])),
          pattern: concat([x, x], 0).mul(pattern),
        }
      },
      { x: { shape: ['N'] } },
      batches,
    )
    expect(file.notes).toEqual([])
    expect(file.outputs[2]!.shape).toEqual(['2*N'])
  })

  it('of results that are inputs, parameters, constants, or there twice', async () => {
    const file = await expectSame(
      ({ x }) => {
        const y = x.mul(2)
        return {
          same: x,
          weight: read(first),
          y,
          again: y,
          ones: ones(x.shape),
          five: constant([5]),
          sum: ones([3]).sum(),
        }
      },
      { x: { shape: ['N', 3] } },
      batches,
    )
    expect(file.notes).toEqual([])
    expect(file.outputs.map(({ shape }) => shape[0])).toEqual(['N', 6, 'N', 'N', 'N', 1, undefined])
  })

  it('together with another one', async () => {
    const query = weight('query', [4, 4])
    const file = await expectSame(
      ({ x, scale }) => {
        const [n, t] = x.shape as [number, number]
        const flat = matmul(reshape(x, [n * t, 4]), read(query))
        const q = reshape(flat, [n, t, 4])
        const attention = softmax(matmul(q, transposeLast(x)).mul(1 / t))
        return { y: matmul(attention, x), flat, mean: x.mean(), scaled: x.mul(reshape(scale, [n, 1, 1])) }
      },
      { x: { shape: ['N', 'T', 4] }, scale: { shape: ['N'] } },
      [
        { N: 1, T: 1 },
        { N: 2, T: 5 },
        { N: 7, T: 3 },
        { N: 5, T: 17 },
      ],
    )
    expect(file.notes).toEqual([])
    expect(file.outputs.map(({ shape }) => shape)).toEqual([['N', 'T', 4], ['N*T', 4], [], ['N', 'T', 4]])
  })

  it('that is the size of a picture', async () => {
    const kernel = weight('kernel', [2, 1, 3, 3])
    const file = await expectSame(
      ({ image }) => ({ y: conv(image, read(kernel)) }),
      { image: { shape: [2, 1, 'H', 'W'] } },
      [
        { H: 3, W: 4 },
        { H: 8, W: 20 },
      ],
    )
    expect(file.notes).toEqual([])
    expect(file.outputs[0]!.shape).toEqual([2, 2, 'H - 2', 'W - 2'])
  })

  it('that meets a layer of the same size', async () => {
    // Sizes that are tried first.
    const wide = [5, 6, 7, 11].map((size) => weight(`w${size}`, [1, size]))
    const file = await expectSame(
      ({ x }) => ({ y: wide.reduce((sum, w) => add(sum, matmul(x, read(w)).sum([1], { keep: true })), x) }),
      { x: { shape: ['N', 1] } },
      batches,
    )
    expect(file.notes).toEqual([])
  })

  it('of inputs in double precision and of integers', async () => {
    const file = await expectSame(
      ({ x, k }) => ({ y: (x as unknown as Tensor).mean([0]), labels: k as unknown as Tensor }),
      { x: { shape: ['N', 2], dtype: 'float64' }, k: { shape: ['N'], dtype: 'int32' } },
      batches,
    )
    expect(file.inputs.map(({ dtype }) => dtype)).toEqual(['float64', 'int32'])
    expect(file.outputs.map(({ dtype }) => dtype)).toEqual(['float64', 'int32'])
  })
})

describe('fixed sizes', () => {
  it('are written as they are', async () => {
    const file = await expectSame(mlp, { x: { shape: [3, 6] } }, [{}])
    expect(file).toMatchObject({ notes: [], inputs: [{ shape: [3, 6] }], outputs: [{ shape: [3, 3] }] })
  })

  it('of an axis that can’t be free, with a note', async () => {
    const table = constant([[1, 2, 3, 4].map((i) => i * i)])
    const odd = ({ x }: { readonly x: Tensor }) => ({
      easy: x.mul(2),
      hard: x.mul(Math.log(x.shape[0]!)).mul(table),
    })
    const inputs = { x: { shape: ['N', 4] } } as const
    const file = exportOnnx(odd, { inputs, sizes: { N: 3 } })
    expect(file.notes).toHaveLength(1)
    expect(file.notes[0]).toMatch(
      /^axis "N" stays at size 3: on the way to "hard", a constant of operator Mul is .* at N = 5, .* no simple function of N$/,
    )
    expect(file.inputs[0]!.shape).toEqual([3, 4])
    expect(file.outputs.map(({ shape }) => shape)).toEqual([
      [3, 4],
      [3, 4],
    ])
    await InferenceSession.create(file.bytes)
  })

  it('where the function does something else at each size', () => {
    const unrolled = ({ x }: { readonly x: Tensor }) => {
      let y = x.slice(0, 0, 1)
      for (let i = 1; i < x.shape[0]!; i++) y = y.tanh().add(x.slice(0, i, i + 1))
      return { y }
    }
    const { notes, inputs } = exportOnnx(unrolled, { inputs: { x: { shape: ['T', 2] } }, sizes: { T: 4 } })
    expect(notes[0]).toMatch(/^axis "T" stays at size 4: on the way to "y", there are \d+ operators at T = 5/)
    expect(inputs[0]!.shape).toEqual([4, 2])
  })

  it('where the function fails at other sizes', () => {
    const eight = tensor(new Float32Array(8), { shape: [8], dtype: 'float32' })
    const { notes } = exportOnnx(({ x }) => ({ y: add(x, eight) }), {
      inputs: { x: { shape: ['N'] } },
      sizes: { N: 8 },
    })
    expect(notes[0]).toMatch(/^axis "N" stays at size 8: at N = 5 the function fails \(add: /)
  })

  it('where parameters are made anew', () => {
    let seed = 0
    const { notes } = exportOnnx(
      ({ x }) => ({
        y: x.mul(read(cell('w', { shape: [], dtype: 'float32', data: Float32Array.of(seed++) }))),
      }),
      { inputs: { x: { shape: ['N'] } } },
    )
    expect(notes[0]).toMatch(/parameter "w" is another one .*; make it outside of the function$/)
  })

  it('of one axis, while another is free', () => {
    const file = exportOnnx(({ x }) => ({ y: x.mul(Math.log(x.shape[1]!)).sum([1]), z: x.mean([0]) }), {
      inputs: { x: { shape: ['N', 'T'] } },
      sizes: { T: 3 },
    })
    expect(file.notes).toHaveLength(1)
    expect(file.notes[0]).toMatch(/^axis "T" stays at size 3: /)
    expect(file.inputs[0]!.shape).toEqual(['N', 3])
    expect(file.outputs.map(({ shape }) => shape)).toEqual([['N'], [3]])
  })

  it('the function’s own error is thrown where it fails everywhere', () => {
    const inputs = { x: { shape: ['N', 5] } } as const
    expect(() => exportOnnx(mlp, { inputs })).toThrow(/^matmul: /)
  })
})

describe('the file', () => {
  const data = tensor([1, 2, 3])
  const file = exportOnnx(
    ({ x, unused }) => {
      expectTypeOf(x).toEqualTypeOf<Tensor>()
      expectTypeOf(unused).toEqualTypeOf<Tensor<'int32'>>()
      const { scores } = mlp({ x })
      const checked = guard(scores, x, { kind: 'finite', what: 'x' })
      const byName = namedMap([
        [{ name: '0.weight' }, matmul(transposeLast(x), checked)] as const,
        [{ name: '2.bias' }, checked.mul(data).sum([0])] as const,
      ])
      return { scores: checked, gradient: byName, list: [x.sum(), 'text', 3] }
    },
    {
      inputs: { x: { shape: ['N', 6] }, unused: { shape: [2], dtype: 'int32' } },
      name: 'mlp',
      description: 'A small network.',
      outputs: { gradient: 'something per parameter', 'gradient.2.bias': 'one of them' },
      metadata: { license: 'MIT' },
    },
  )

  it('says who made it, with which operators', () => {
    const { producerName, irVersion, opsetImport, docString, graph } = model(file)
    expect(producerName).toBe('beyondgrad')
    expect(irVersion).toBe(8n)
    expect(opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 20n]])
    expect(graph!.name).toBe('mlp')
    expect(docString).toMatch(
      /^A small network\.\n\nExported by Beyondgrad\. From x \[N, 6\], unused \[2\] it computes/,
    )
  })

  it('keeps the names of inputs, outputs and parameters', () => {
    const { graph } = model(file)
    expect(graph!.input.map(({ name }) => name)).toEqual(['x', 'unused'])
    const outputs = ['scores', 'gradient.0.weight', 'gradient.2.bias', 'list.0']
    expect(graph!.output.map(({ name }) => name)).toEqual(outputs)
    expect(file.outputs.map(({ name }) => name)).toEqual(outputs)
    const initializers = graph!.initializer.map(({ name }) => name)
    expect(initializers.slice(0, 3)).toEqual(['0.weight', '2.weight', '2.bias'])
    expect(initializers).toContain('data.0')
  })

  it('describes its outputs', () => {
    const { metadataProps, graph } = model(file)
    const metadata = Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]))
    expect(metadata['license']).toBe('MIT')
    expect(JSON.parse(metadata['beyondgrad.parameters']!)).toEqual(['0.weight', '2.weight', '2.bias'])
    expect(JSON.parse(metadata['beyondgrad.free-axes']!)).toEqual(['N'])
    expect(JSON.parse(metadata['beyondgrad.outputs']!)).toEqual([
      { name: 'scores', dtype: 'float32', shape: ['N', 3] },
      { name: 'gradient.0.weight', dtype: 'float32', shape: [6, 3], description: 'something per parameter' },
      { name: 'gradient.2.bias', dtype: 'float32', shape: [3], description: 'one of them' },
      { name: 'list.0', dtype: 'float32', shape: [] },
    ])
    expect(graph!.output[2]!.docString).toBe('one of them')
  })

  it('is the same each time', () => {
    const inputs = { x: { shape: ['N', 6] } } as const
    expect(exportOnnx(mlp, { inputs }).bytes).toEqual(exportOnnx(mlp, { inputs }).bytes)
  })

  it('has the parameters as they are now', () => {
    const w = weight('w', [2])
    const write = (): number[] => {
      const { bytes } = exportOnnx(({ x }) => ({ y: x.mul(read(w)) }), { inputs: { x: { shape: [2] } } })
      const { rawData } = parseModel(bytes).graph!.initializer[0]!
      return [...new Float32Array(rawData.slice().buffer)]
    }
    w.data = Float32Array.of(1, 2)
    expect(write()).toEqual([1, 2])
    w.data = Float32Array.of(3, 4)
    expect(write()).toEqual([3, 4])
  })

  it('gives a parameter another name where its own is taken, with a note', () => {
    const twins = [weight('w', [2]), weight('w', [2])] as const
    const { bytes, notes } = exportOnnx(({ x }) => ({ y: x.mul(read(twins[0])).add(read(twins[1])) }), {
      inputs: { x: { shape: ['N', 2] } },
    })
    expect(parseModel(bytes).graph!.initializer.map(({ name }) => name)).toEqual(['w', 'w.2'])
    expect(notes).toEqual(['parameter "w" is called "w.2", since its name was taken'])
  })
})
