/** @file Quantities as ONNX files: at batch sizes that were not traced, ONNX Runtime computes what we do. */
import { backward } from '@beyondgrad/autograd'
import { CrossEntropyLoss, Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { type ExportedFile, exportOnnx } from '@beyondgrad/onnx'
import {
  type AnyTensor,
  type DType,
  evaluate,
  fillRandom,
  type HostArray,
  isNamedMap,
  type NDArray,
  referenceEngine,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import {
  BatchGradient,
  BatchL2,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  Gradient,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { labels } from './network.ts'
import { networks } from './networks.ts'

const engine = referenceEngine({ warn: () => undefined })

/** Arrays by the names that they have in a file. */
function named(value: unknown, path: readonly string[] = []): [string, NDArray<DType>][] {
  if (isNamedMap(value)) return [...value].flatMap(([key, inner]) => named(inner, [...path, key.name]))
  if (typeof value !== 'object' || value === null) return []
  if ('data' in value) return [[path.join('.'), value as NDArray<DType>]]
  return Object.entries(value).flatMap(([key, inner]) => named(inner, [...path, key]))
}

type Result = Readonly<Record<string, { readonly dims: readonly number[]; readonly data: HostArray }>>

/** A file's outputs for some inputs, against what the function itself makes of them. */
async function expectSame(
  session: InferenceSession,
  inputs: Readonly<Record<string, NDArray<DType>>>,
  results: object,
): Promise<void> {
  const feeds = Object.entries(inputs).map(([name, { shape, dtype, data }]) => {
    const single = dtype === 'float32' ? Float32Array.from(data as Float32Array) : data
    return [name, new OrtTensor(dtype as 'float32', single as Float32Array, shape)] as const
  })
  const theirs = (await session.run(Object.fromEntries(feeds))) as unknown as Result
  const ours = named(await evaluate(results, { engine }))
  expect(Object.keys(theirs)).toEqual(ours.map(([name]) => name))
  for (const [name, { shape, data }] of ours) {
    const { dims, data: computed } = theirs[name]!
    expect(dims, name).toEqual(shape)
    const scale = Math.max(
      1e-6,
      ...Array.from<number | bigint, number>(data, (value) => Math.abs(Number(value))),
    )
    for (let i = 0; i < data.length; i++) {
      const error = Math.abs(Number(data[i]) - Number(computed[i]))
      if (!(error <= 5e-5 * scale)) {
        expect.fail(`${name} of shape [${shape.join()}]: element ${i} is ${computed[i]}, not ${data[i]}`)
      }
    }
  }
}

const open = ({ bytes }: ExportedFile): Promise<InferenceSession> =>
  InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 })

describe('with a free batch axis, at sizes that were not traced', () => {
  it.each(networks.map((network) => [network.name, network] as const))('%s', async (_name, network) => {
    const { model, loss, inputs, targets } = network.problem(3)
    const extensions = {
      gradient: Gradient(),
      batch: BatchGradient(),
      l2: BatchL2(),
      squares: SumGradSquared(),
      variance: Variance(),
      ggn: DiagGGN(),
      hessian: DiagHessian(),
    }
    const results = ({ x, y }: { readonly x: AnyTensor; readonly y: AnyTensor }): object => {
      const output = model(x as Tensor)
      const total = loss(output, y)
      return { output, loss: total, ...backward(total, extensions) }
    }
    const file = exportOnnx(results, {
      inputs: {
        x: { shape: ['N', ...inputs.shape.slice(1)], dtype: inputs.dtype },
        y: { shape: ['N', ...targets.shape.slice(1)], dtype: targets.dtype },
      },
      sizes: { N: 4 },
    })
    expect(file.notes).toEqual([])
    const session = await open(file)
    for (const size of [1, 2, 5, 17]) {
      const problem = network.problem(size)
      const { x, y } = await evaluate({ x: problem.inputs, y: problem.targets }, { engine })
      await expectSame(session, { x, y }, results({ x: problem.inputs, y: problem.targets }))
    }
    await session.release()
  })
})

const mlp = Sequential(Linear(6, 8, { seed: 1 }), Tanh(), Linear(8, 4, { seed: 2 }))
const inputs = { x: { shape: ['N', 6] }, target: { shape: ['N'], dtype: 'int32' } } as const

it('random numbers are inputs, which the metadata explain', async () => {
  const results = ({ x, target }: { readonly x: Tensor; readonly target: Tensor<'int32'> }): object => {
    const loss = CrossEntropyLoss()(mlp(x), target)
    return backward(loss, { mc: DiagGGNMC({ seed: 3, samples: 2 }) })
  }
  const file = exportOnnx(results, { inputs })
  expect(file.notes).toEqual([])
  expect(file.inputs.at(-1)).toEqual({ name: 'random.cross-entropy', dtype: 'float32', shape: [2, 'N', 1] })
  const session = await open(file)
  for (const size of [1, 2, 17]) {
    const shape = [size, 6]
    const x = tensor(
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)),
      { shape, dtype: 'float32' },
    )
    const target = labels(size, 4)
    const data = new Float32Array(2 * size)
    fillRandom({ distribution: 'uniform', seed: 3, stream: 'cross-entropy' }, 0, 2, size, 1, data)
    const given = await evaluate({ x, target }, { engine })
    const random = { 'random.cross-entropy': { shape: [2, size, 1], dtype: 'float32' as const, data } }
    await expectSame(session, { ...given, ...random }, results({ x, target }))
  }
  await session.release()
})

it('outputs are named by extension and parameter', () => {
  const file = exportOnnx(
    ({ x, target }) => {
      const loss = CrossEntropyLoss()(mlp(x), target)
      return { loss, ...backward(loss, { variance: Variance(), l2: BatchL2() }) }
    },
    { inputs },
  )
  expect(file.outputs.map(({ name, shape }) => [name, shape])).toEqual([
    ['loss', []],
    ['variance.0.weight', [8, 6]],
    ['variance.0.bias', [8]],
    ['variance.2.weight', [4, 8]],
    ['variance.2.bias', [4]],
    ['l2.0.weight', ['N']],
    ['l2.0.bias', ['N']],
    ['l2.2.weight', ['N']],
    ['l2.2.bias', ['N']],
  ])
})
