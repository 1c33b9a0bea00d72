/** @file Saving and loading, and a run that goes on where it was. */
import type { Module } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { formatSafetensors, parseSafetensors } from '@beyondgrad/io'
import { DataError, type Engine, type NDArray, referenceEngine, tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  Adam,
  AdamW,
  BatchNorm1d,
  cosineDecay,
  Dropout,
  Linear,
  loadState,
  MSELoss,
  RMSprop,
  Sequential,
  SGD,
  type State,
  type StatefulOptimizer,
  stateOf,
  trainStep,
} from '../src/index.ts'

const network = (seed: number): Module =>
  Sequential(
    Linear(2, 4, { seed }),
    BatchNorm1d(4),
    Dropout(0.5, { seed: 7 }),
    Linear(4, 1, { seed: seed + 1 }),
  )

const batch = (k: number) => ({
  inputs: tensor([
    [1, k],
    [-1, 0.5],
    [0.3, -k],
  ]),
  targets: tensor([[1], [k], [-1]]),
})

const optimizers: Readonly<Record<string, (model: Module) => StatefulOptimizer>> = {
  'SGD with momentum': ({ parameters }) => SGD(parameters, { learningRate: 0.1, momentum: 0.9 }),
  Adam: ({ parameters }) => Adam(parameters, { learningRate: cosineDecay(0.1, { steps: 8 }) }),
  AdamW: ({ parameters }) => AdamW(parameters, { learningRate: 0.05 }),
  RMSprop: ({ parameters }) => RMSprop(parameters, { centered: true, momentum: 0.5 }),
}

const engines: readonly (readonly [string, () => Engine])[] = [
  ['reference engine', () => referenceEngine()],
  ['onnxruntime', () => onnxruntime()],
]

describe.each(engines)('a run that is resumed on the %s', (_engine, engine) => {
  it.each(Object.entries(optimizers))('goes on bit by bit, with %s', async (_name, make) => {
    const run = async (
      steps: readonly number[],
      from?: Uint8Array,
    ): Promise<{ file: Uint8Array; numbers: number[] }> => {
      // A fresh process: other initial numbers, and nothing remembered.
      const model = network(from === undefined ? 1 : 99)
      const optimizer = make(model)
      if (from !== undefined) loadState({ model, optimizer }, parseSafetensors(from))
      const train = trainStep({ model, loss: MSELoss(), optimizer, engine: engine() })
      const numbers: number[] = []
      for (const k of steps) {
        const { step, loss } = await train(batch(k))
        numbers.push(step, loss)
      }
      return { file: formatSafetensors(stateOf({ model, optimizer })), numbers }
    }
    const whole = await run([1, 2, 3, 4, 5])
    const first = await run([1, 2])
    const second = await run([3, 4, 5], first.file)
    expect([...first.numbers, ...second.numbers]).toEqual(whole.numbers)
    expect(second.file).toEqual(whole.file)
  })
})

describe('state', () => {
  it('has the names of a PyTorch state dict, and of what optimisers keep', () => {
    const model = network(1)
    const optimizer = Adam(model.parameters)
    expect(Object.keys(stateOf(model))).toEqual([
      ...['0.weight', '0.bias', '1.weight', '1.bias', '3.weight', '3.bias'],
      ...['1.running_mean', '1.running_var', '1.num_batches_tracked'],
    ])
    expect(Object.keys(stateOf(optimizer)).slice(0, 4)).toEqual([
      'step',
      'learning_rate',
      '0.weight.exp_avg',
      '0.weight.exp_avg_sq',
    ])
    expect(Object.keys(stateOf({ model, optimizer }))).toContain('optimizer.3.bias.exp_avg')
    expect(Object.keys(stateOf(optimizer))).not.toContain('0.weight')
  })

  const edited = (change: (state: Record<string, NDArray>) => void): State => {
    const state = { ...stateOf(network(2)) } as Record<string, NDArray>
    change(state)
    return state
  }

  it.each<[string, State, string]>([
    [
      'lacks names',
      edited((state) => {
        delete state['0.bias']
        delete state['1.running_var']
      }),
      'loadState: "0.bias", "1.running_var" are missing',
    ],
    [
      'has others',
      edited((state) => {
        state['4.weight'] = state['0.bias']!
      }),
      'loadState: "4.weight" is not known here',
    ],
    [
      'has other shapes and kinds, besides',
      edited((state) => {
        delete state['0.bias']
        state['0.weight'] = { shape: [2, 4], dtype: 'float32', data: new Float32Array(8) }
        state['1.num_batches_tracked'] = { shape: [], dtype: 'float32', data: new Float32Array(1) }
      }),
      'loadState: "0.bias" is missing; "0.weight" has shape [2, 4], not [4, 2]; "1.num_batches_tracked" holds float32, not int64',
    ],
    ['is empty', {}, '"1.running_var" and 1 more are missing'],
  ])('that %s is one error, and changes nothing', (_what, state, message) => {
    const model = network(1)
    const before = stateOf(model)
    expect(() => loadState(model, state)).toThrow(DataError)
    expect(() => loadState(model, state)).toThrow(message)
    expect(stateOf(model)).toEqual(before)
  })

  it('may be taken in part', () => {
    const model = network(1)
    const { '0.weight': weight, '3.bias': bias } = stateOf(network(2))
    const left = loadState(model, { '0.weight': weight!, '3.bias': bias!, other: bias! }, { strict: false })
    expect(left.unknown).toEqual(['other'])
    expect(left.missing).toHaveLength(7)
    expect(stateOf(model)['0.weight']).toEqual(weight)
    // Even then, what is there must fit.
    expect(() => loadState(model, { '0.weight': bias! }, { strict: false })).toThrow(
      'has shape [1], not [4, 2]',
    )
  })

  it('counts in whichever integers it was saved', () => {
    const layer = BatchNorm1d(2)
    const state = {
      ...stateOf(layer),
      num_batches_tracked: { shape: [], dtype: 'int32', data: Int32Array.of(5) },
    }
    loadState(layer, state as State)
    expect(stateOf(layer).num_batches_tracked!.data).toEqual(BigInt64Array.of(5n))
  })
})
