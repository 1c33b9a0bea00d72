/** @file Indexing and sorting as files: embeddings, their gradients and choices of elements at free batch sizes. */
import {
  cell,
  cellTensor,
  type DType,
  evaluate,
  flip,
  gather,
  gatherElements,
  type HostArray,
  iota,
  type NDArray,
  referenceEngine,
  reshape,
  scatterAdd,
  scatterElements,
  scatterElementsAdd,
  type Shape,
  sizeOf,
  sort,
  tensor,
  type Tensor,
  topK,
  vmap,
} from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { type ExportArguments, type ExportInputs, exportOnnx } from '../src/index.ts'

const engine = referenceEngine({ warn: () => undefined })
const vocabulary = 7
const table = cell('table', {
  shape: [vocabulary, 3],
  dtype: 'float32',
  data: Float32Array.from({ length: vocabulary * 3 }, (_, i) => Math.sin(i)),
})
const weight = (): Tensor => cellTensor(table) as Tensor

/** Integers are indices from -4 to 3. */
function numbers(dtype: DType, shape: Shape): HostArray {
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(3 * i + shape.length) * 4)
  return dtype === 'int32' ? Int32Array.from(values, Math.floor) : Float32Array.from(values)
}

/** Exports a function, and compares the file with the function at batch sizes other than those that were traced, too. */
async function expectSame<const I extends ExportInputs>(
  fn: (inputs: ExportArguments<I>) => Readonly<Record<string, Tensor>>,
  inputs: I,
): Promise<void> {
  const file = exportOnnx(fn, { inputs })
  expect(file.notes).toEqual([])
  const session = await InferenceSession.create(file.bytes, { intraOpNumThreads: 2, logSeverityLevel: 3 })
  for (const N of [1, 2, 5]) {
    const feeds: Record<string, OrtTensor> = {}
    const tensors: Record<string, Tensor<DType>> = {}
    for (const { name, dtype, shape } of file.inputs) {
      const dims = shape.map((size) => (typeof size === 'string' ? N : size))
      const data = numbers(dtype, dims)
      feeds[name] = new OrtTensor(dtype as 'float32', data as Float32Array, dims)
      tensors[name] = tensor(data as Float32Array, { shape: dims, dtype: dtype as 'float32' })
    }
    const expected = await evaluate(fn(tensors as unknown as ExportArguments<I>), { engine })
    const computed = (await session.run(feeds)) as unknown as Record<string, { dims: Shape; data: HostArray }>
    for (const [name, { shape, data }] of Object.entries<NDArray<DType>>(expected)) {
      expect(computed[name]!.dims, name).toEqual(shape)
      Array.from(computed[name]!.data, Number).forEach((value, i) => {
        expect(value, `${name} at N = ${N}, element ${i}`).toBeCloseTo(Number(data[i]), 4)
      })
    }
  }
  await session.release()
}

describe('a free batch', () => {
  it('of an embedding and its gradient', () =>
    expectSame(
      ({ tokens }) => {
        const embedded = gather(weight(), tokens)
        return { embedded, slope: scatterAdd(embedded.mul(2), tokens, 0, vocabulary) }
      },
      { tokens: { shape: ['N', 4], dtype: 'int32' } },
    ))

  it('of an embedding for each sample by itself', () =>
    expectSame(
      ({ tokens, x }) => ({
        own: vmap((t: Tensor, i: Tensor<'int32'>) => gather(t, i))(x, tokens),
        slopes: vmap((t: Tensor, i: Tensor<'int32'>) => scatterAdd(t, i, 0, 60))(x, tokens),
        shared: vmap((i: Tensor<'int32'>) => gather(weight(), i))(tokens),
      }),
      { tokens: { shape: ['N', 4], dtype: 'int32' }, x: { shape: ['N', 4, 2] } },
    ))

  it('of elements at positions', () =>
    expectSame(
      ({ x, at }) => ({
        taken: gatherElements(x, at, 1),
        added: scatterElementsAdd(x, at, 1, 5),
        written: scatterElements(x, at, x.mul(2), 1, { reduction: 'max' }),
      }),
      { x: { shape: ['N', 4] }, at: { shape: ['N', 4], dtype: 'int32' } },
    ))

  it('of elements of a row for each sample', () =>
    expectSame(
      ({ at }) => ({
        taken: gatherElements(weight().expand([at.shape[0]!, vocabulary, 3]), at, 1),
      }),
      { at: { shape: ['N', 2, 3], dtype: 'int32' } },
    ))

  it('of what is sorted, reversed, or read at positions along it', () =>
    expectSame(
      ({ x }) => {
        const n = x.shape[0]!
        const { values, indices } = topK(x, 2)
        return {
          values,
          indices: indices as Tensor<DType> as Tensor,
          sorted: sort(x),
          reversed: flip(x),
          rows: gather(x, reshape(iota(n), [1, n])),
        }
      },
      { x: { shape: ['N', 4] } },
    ))
})
