/** @file Spectra batch by batch against those of one big batch. */
import { crossEntropy, mseLoss, parameter } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { evaluate, referenceEngine, slice, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { ggnEigenpairs, streamedSpectrum } from '../src/index.ts'
import { data, labels } from './networks.ts'

const engine = referenceEngine()
const model = Sequential(Linear(3, 5, { seed: 1 }), Tanh(), Linear(5, 3, { seed: 2 }))
const [x, y] = [data('x', [9, 3]), labels(9, 3)]

interface Batch {
  readonly x: Tensor
  readonly y: Tensor<'int32'>
}

/** Batches of four, three and two. */
async function parts(): Promise<Batch[]> {
  const spans = [
    [0, 4],
    [4, 7],
    [7, 9],
  ] as const
  return Promise.all(
    spans.map(async ([from, to]) => {
      const part = await evaluate({ x: slice(x, 0, from, to), y: slice(y, 0, from, to) }, { engine })
      return { x: tensor<'float32'>(part.x), y: tensor<'int32'>(part.y) }
    }),
  )
}

describe.each(['mean', 'sum'] as const)('%s', (reduction) => {
  const loss = (batch: Batch): Tensor => crossEntropy(model(batch.x), batch.y, { reduction })

  it.each(['all', 'layer'] as const)(
    'is that of one big batch where the rank is enough: %s',
    async (groups) => {
      const whole = await ggnEigenpairs(loss({ x, y }), {
        engine,
        groups,
        route: 'gram',
        criterion: { top: 4 },
      })
      const seen: number[] = []
      const found = await streamedSpectrum({
        data: await parts(),
        loss,
        rank: 18,
        groups,
        engine,
        onProgress: ({ samples }) => seen.push(samples),
      })
      expect(seen).toEqual([4, 7, 9])
      expect(found.batches).toBe(3)
      expect(found.loss).toBeCloseTo(whole.loss, 10)
      found.groups.forEach((group, g) => {
        const expected = whole.groups[g]!
        const largest = expected.eigenvalues.at(-1)!
        expect(group.bound / largest).toBeLessThan(1e-9)
        expect(group.dimension).toBe(expected.dimension)
        const padded = [...Array<number>(18).fill(0), ...group.eigenvalues].slice(-18)
        expected.eigenvalues
          .slice(-18)
          .forEach((value, k) => expect(Math.abs(padded[k]! - value) / largest).toBeLessThan(1e-9))
        expect(group.trace).toBeCloseTo(
          expected.eigenvalues.reduce((a, b) => a + b, 0),
          9,
        )
        const count = group.eigenvalues.length
        for (const parameter of group.parameters) {
          const [ours, theirs] = [group.vectors.get(parameter.name), expected.vectors.get(parameter.name)]
          const size = theirs.data.length / 4
          theirs.data.forEach((value, at) => expect(ours.data[(count - 4) * size + at]).toBeCloseTo(value, 5))
        }
      })
    },
  )

  it('what is given up is bounded', async () => {
    const whole = await ggnEigenpairs(loss({ x, y }), { engine, criterion: { top: 3 }, route: 'gram' })
    const { groups } = await streamedSpectrum({ data: await parts(), loss, rank: 3, engine })
    const [{ eigenvalues, bound, trace }] = groups as [(typeof groups)[0]]
    expect(eigenvalues).toHaveLength(3)
    expect(bound).toBeGreaterThan(0)
    eigenvalues.forEach((value, k) => {
      const truth = whole.groups[0]!.values[k]!
      expect(value).toBeLessThanOrEqual(truth * (1 + 1e-9))
      expect(value + bound).toBeGreaterThanOrEqual(truth)
    })
    expect(trace).toBeCloseTo(
      whole.groups[0]!.eigenvalues.reduce((a, b) => a + b, 0),
      9,
    )
  })

  it('natively, and by drawn columns as of one batch', async () => {
    const whole = await ggnEigenpairs(loss({ x, y }), {
      engine,
      columns: 2,
      seed: 4,
      criterion: { top: 2 },
      route: 'gram',
    })
    const options = { data: await parts(), loss, rank: 18, columns: 2, seed: 4, engine: onnxruntime() }
    const { groups } = await streamedSpectrum(options)
    whole.groups[0]!.values.forEach((value, k) =>
      expect(groups[0]!.eigenvalues.at(k - 2)! / value).toBeCloseTo(1, 4),
    )
  })
})

it('several losses, one batch of no curvature, shares that are given', async () => {
  const loss = ({ x: inputs }: Pick<Batch, 'x'>): Tensor => {
    const output = model(inputs)
    return mseLoss(output, data('t', output.shape)).add(mseLoss(output, data('u', output.shape)).mul(0.5))
  }
  const only = await ggnEigenpairs(loss({ x }), { engine, criterion: { top: 2 }, route: 'gram' })
  const { groups } = await streamedSpectrum({
    data: [{ x }, { x: data('z', [4, 3], 0) }],
    loss,
    rank: 40,
    share: ({ x: { shape } }) => (shape[0] === 9 ? 2 : 0),
    engine,
  })
  only.groups[0]!.values.forEach((value, k) =>
    expect(groups[0]!.eigenvalues.at(k - 2)).toBeCloseTo(2 * value, 9),
  )
})

it('what is wrong is said', async () => {
  const loss = (batch: Batch): Tensor => crossEntropy(model(batch.x), batch.y)
  const some = await parts()
  await expect(streamedSpectrum({ data: [], loss, rank: 2, engine })).rejects.toThrow('there are no batches')
  await expect(streamedSpectrum({ data: some, loss, rank: 0, engine })).rejects.toThrow(
    'rank must be an integer of at least 1, not 0',
  )
  const other = Linear(3, 3, { seed: 5 })
  let calls = 0
  const two = (batch: Batch): Tensor => crossEntropy((calls++ === 0 ? model : other)(batch.x), batch.y)
  await expect(streamedSpectrum({ data: some, loss: two, rank: 2, engine })).rejects.toThrow(
    'batch 2 depends on other parameters',
  )
  await expect(
    streamedSpectrum({ data: some, loss, rank: 2, engine, signal: AbortSignal.abort() }),
  ).rejects.toThrow('cancelled after 0 batches')
  await expect(streamedSpectrum({ data: some, loss, rank: 2, engine, share: () => -1 })).rejects.toThrow(
    'batch 1 counts -1',
  )
  const scalar = parameter('scale', { shape: [], dtype: 'float32', data: Float32Array.of(1) })
  const training = async function* (): AsyncGenerator<Batch> {
    for (const each of some) {
      yield each
      scalar.set(Float32Array.of(2))
    }
    await Promise.resolve()
  }
  const scaled = (batch: Batch): Tensor => crossEntropy(model(batch.x).mul(scalar.value), batch.y)
  await expect(streamedSpectrum({ data: training(), loss: scaled, rank: 2, engine })).rejects.toThrow(
    '"scale" was updated before batch 2',
  )
})
