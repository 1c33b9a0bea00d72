import { accumulate, type Batch, crossEntropy } from '@beyondgrad/autograd'
import { hostData, type NDArray, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { batches, type BatchesOptions, type Dataset, Linear, rows } from '../src/index.ts'

const count = 10
const dataset: Dataset = {
  inputs: {
    shape: [count, 2],
    dtype: 'float32',
    data: Float32Array.from({ length: 2 * count }, (_, i) => i),
  },
  targets: { shape: [count], dtype: 'int32', data: Int32Array.from({ length: count }, (_, i) => 100 + i) },
}

async function all(options: BatchesOptions): Promise<Batch<Tensor<'int32'>>[]> {
  const list = []
  for await (const batch of batches(dataset, options)) list.push(batch)
  return list
}

const labels = ({ targets }: Batch<Tensor<'int32'>>): number[] => Array.from(hostData(targets) as Int32Array)

describe('batches', () => {
  it('hold every sample once in an epoch, inputs beside their targets', async () => {
    const list = await all({ size: 4, seed: 3 })
    expect(list.map(({ inputs }) => inputs.shape)).toEqual([
      [4, 2],
      [4, 2],
      [2, 2],
    ])
    expect(list.flatMap(labels).sort()).toEqual(Array.from(dataset.targets.data))
    for (const batch of list) {
      const inputs = hostData(batch.inputs) as Float32Array
      expect(Array.from(hostData(batch.indices!) as Int32Array)).toEqual(
        labels(batch).map((label) => label - 100),
      )
      labels(batch).forEach((label, n) => {
        expect(Array.from(inputs.slice(2 * n, 2 * n + 2))).toEqual([2 * (label - 100), 2 * (label - 100) + 1])
      })
    }
  })

  it('are what accumulate takes, places of samples and all', async () => {
    const model = Linear(2, 3, { seed: 1 })
    const labelled = {
      ...dataset,
      targets: { ...dataset.targets, data: dataset.targets.data.map((y) => y % 3) },
    }
    const of = (size: number) =>
      accumulate({}, batches(labelled, { size }), {
        loss: ({ inputs, targets }) => crossEntropy(model(inputs), targets),
      })
    const [parts, whole] = [await of(4), await of(count)]
    expect(parts.loss).toBeCloseTo(whole.loss, 6)
  })

  it('come in an order that the seed determines, another one in every epoch', async () => {
    const order = async (options: BatchesOptions): Promise<number[]> => (await all(options)).flatMap(labels)
    const first = await order({ size: 3, seed: 1, epochs: 2 })
    expect(await order({ size: 3, seed: 1, epochs: 2 })).toEqual(first)
    expect(await order({ size: 3, seed: 2, epochs: 2 })).not.toEqual(first)
    expect(first.slice(0, count)).not.toEqual(first.slice(count))
    expect(first.slice(count).sort()).toEqual(Array.from(dataset.targets.data))
    // The order is the data's, whatever the batch.
    expect(await order({ size: 7, seed: 1, epochs: 2 })).toEqual(first)
  })

  it('keep the order of the data when they are not shuffled', async () => {
    expect((await all({ size: 4, shuffle: false })).flatMap(labels)).toEqual(Array.from(dataset.targets.data))
  })

  it('leave out a last one that is too small, if asked to', async () => {
    const list = await all({ size: 4, dropLast: true, epochs: 2 })
    expect(list.map(({ inputs }) => inputs.shape[0])).toEqual([4, 4, 4, 4])
    expect(await all({ size: 11, dropLast: true })).toEqual([])
  })

  it('stop after so many steps, even if epochs never end', async () => {
    expect(await all({ size: 4, epochs: Infinity, steps: 7 })).toHaveLength(7)
    expect(await all({ size: 4, steps: 0 })).toEqual([])
  })

  it('refuse sizes and data that make no batches', async () => {
    const from = (change: Partial<Dataset>, size = 2) => batches({ ...dataset, ...change }, { size }).next()
    await expect(from({}, 0)).rejects.toThrow('batches: size must be a positive integer, not 0')
    await expect(from({}, 1.5)).rejects.toThrow('not 1.5')
    const targets: NDArray<'int32'> = { shape: [3], dtype: 'int32', data: new Int32Array(3) }
    await expect(from({ targets })).rejects.toThrow(
      'batches: inputs [10, 2] and targets [3] must have the same number of samples, and at least one',
    )
    const none: Dataset = {
      inputs: { shape: [0, 2], dtype: 'float32', data: new Float32Array(0) },
      targets: { shape: [0], dtype: 'int32', data: new Int32Array(0) },
    }
    await expect(batches(none, { size: 1 }).next()).rejects.toThrow('and at least one')
  })
})

describe('rows', () => {
  it('copies the rows that are asked for, in their order', () => {
    const picked = rows(dataset.inputs, [3, 0, 3])
    expect(picked).toEqual({ shape: [3, 2], dtype: 'float32', data: Float32Array.of(6, 7, 0, 1, 6, 7) })
    picked.data[0] = -1
    expect(dataset.inputs.data[6]).toBe(6)
  })

  it('names a row that is not there', () => {
    expect(() => rows(dataset.inputs, [10])).toThrow('rows: there is no row 10 among 10')
    expect(() => rows(dataset.inputs, [-1])).toThrow('rows: there is no row -1 among 10')
  })
})
