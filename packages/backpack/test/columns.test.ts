/** @file What columns offer, by every method, next to the same from the columns written out. */
import {
  backward,
  type Columns,
  crossEntropy,
  defineExtension,
  type Extension,
  ggnFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  capture,
  evaluate,
  matmul,
  mul,
  referenceEngine,
  reshape,
  sum,
  type Tensor,
  transposeLast,
  workOf,
} from '@beyondgrad/tensor'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Conv2d, Flatten, Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { describe, expect, it } from 'vitest'
import { data, labels } from './network.ts'
import { networks } from './networks.ts'

const engine = referenceEngine()

function methods(contribution: Columns, shape: readonly number[]): Record<string, readonly [Tensor, Tensor]> {
  const all = contribution.materialize()
  const [columns, samples] = all.shape as [number, number]
  const rows = reshape(all, [columns * samples, -1])
  const vector = data('vector', shape)
  const weights = data('weights', [2, columns, samples])
  const each = reshape(weights, [2, columns, samples, ...shape.map(() => 1)])
  return {
    gram: [contribution.gram(), matmul(rows, transposeLast(rows))],
    weightedSums: [contribution.weightedSums(weights), sum(mul(all, each), [1, 2])],
    dot: [contribution.dot(vector), sum(mul(all, vector), [...all.shape.keys()].slice(2))],
    squaredNorms: [contribution.squaredNorms(), sum(rows.square().reshape([columns, samples, -1]), [0, 2])],
    sampleSquares: [contribution.sampleSquares(), sum(all.square(), [0])],
  }
}

const both = (
  samples: 'exact' | number,
): Extension<ParameterMap<Record<string, readonly [Tensor, Tensor]>>> =>
  defineExtension({
    name: 'both',
    flow: ggnFlow({ samples }),
    parameter: ({ contribution, parameter }) => methods(contribution, parameter.shape),
  })

describe.each(networks.filter(({ indefinite }) => !indefinite))('$name', ({ problem }) => {
  it.each([
    { how: 'in one piece', memory: 2 ** 25, batch: 3 },
    { how: 'column by column', memory: 1, batch: 2 },
  ])('$how', async ({ memory, batch }) => {
    const { model, loss, inputs, targets } = problem(batch)
    const whole = loss(model(inputs), targets)
    for (const samples of ['exact', 2] as const) {
      const { result } = await evaluate(backward(whole, { result: both(samples) }, { memory }), { engine })
      for (const [{ name }, found] of result) {
        for (const [method, [ours, written]] of Object.entries(found)) {
          expect(ours.shape, `${method} of ${name}`).toEqual(written.shape)
          const scale = Math.max(1e-9, ...written.data.map(Math.abs))
          ours.data.forEach((x, i) =>
            expect(Math.abs(x - written.data[i]!) / scale, `${method} of ${name}, ${i}`).toBeLessThan(1e-10),
          )
        }
      }
    }
  })
})

describe.each(networks.filter(({ indefinite }) => !indefinite))('$name, some samples', ({ problem }) => {
  it.each(['exact', 2, 'empirical'] as const)('swept alone are as picked from all: %s', async (samples) => {
    const { model, loss, inputs, targets } = problem(4)
    const whole = loss(model(inputs), targets)
    for (const ofSamples of [[2], [3, 0], [1, 1, 3]]) {
      const columns = (flow: ReturnType<typeof ggnFlow>, pick: boolean): Extension<ParameterMap<Tensor>> =>
        defineExtension({
          name: 'columns',
          flow,
          parameter: ({ contribution }) =>
            (pick ? contribution.ofSamples(ofSamples) : contribution).materialize(),
        })
      const { alone, picked } = await evaluate(
        backward(whole, {
          alone: columns(ggnFlow({ samples, ofSamples }), false),
          picked: columns(ggnFlow({ samples }), true),
        }),
        { engine },
      )
      for (const [{ name }, found] of alone) {
        const expected = picked.get(name)
        expect(found.shape, name).toEqual(expected.shape)
        const scale = Math.max(1e-9, ...expected.data.map(Math.abs))
        found.data.forEach((x, i) =>
          expect(Math.abs(x - expected.data[i]!) / scale, `${name}, ${i}`).toBeLessThan(1e-10),
        )
      }
    }
  })
})

it('some samples cost as much as so many', () => {
  const model = Sequential(
    Conv2d(3, 8, 3, { seed: 1 }),
    Tanh(),
    Conv2d(8, 8, 3, { seed: 2 }),
    Flatten(),
    Linear(128, 10, { seed: 3 }),
  )
  const whole = crossEntropy(model(data('x', [32, 3, 8, 8])), labels(32, 10))
  const work = (ofSamples?: readonly number[]): number => {
    const gram = defineExtension({
      name: 'gram',
      flow: ggnFlow({ ofSamples }),
      parameter: ({ contribution }) => contribution.gram(),
    })
    return workOf(capture(() => backward(whole, { gram }), 'test').graph)
  }
  expect(work([3, 1]) / work()).toBeLessThan(0.1)
  expect(() => work([32])).toThrow('there is no sample 32 in a batch of 32')
})

it.each([
  { how: 'written out for a few outputs at a time', side: 8, groups: 1 },
  { how: 'pair of samples by pair of samples', side: 4, groups: 1 },
  { how: 'pair by pair, in groups', side: 4, groups: 2 },
])('many columns in blocks above the diagonal: $how', async ({ side, groups }) => {
  const model = Sequential(
    Conv2d(32, 8, 3, { groups, seed: 1 }),
    Tanh(),
    Flatten(),
    Linear(8 * (side - 2) ** 2, 10, { seed: 2 }),
  )
  const whole = crossEntropy(model(data('x', [200, 32, side, side])), labels(200, 10))
  const products = defineExtension({
    name: 'gram',
    flow: ggnFlow(),
    parameter: ({ contribution }) => {
      const rows = reshape(contribution.materialize(), [9 * 200, -1])
      return { ours: contribution.gram(), written: matmul(rows, transposeLast(rows)) }
    },
  })
  const { result } = await evaluate(backward(whole, { result: products }), { engine: onnxruntime() })
  for (const [{ name }, { ours, written }] of result) {
    const scale = written.data.reduce((a, b) => Math.max(a, b))
    let worst = 0
    ours.data.forEach((x, i) => (worst = Math.max(worst, Math.abs(x - written.data[i]!))))
    expect(worst / scale, name).toBeLessThan(1e-5)
  }
})
