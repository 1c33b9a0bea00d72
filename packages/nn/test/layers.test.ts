import type { Module } from '@beyondgrad/autograd'
import { ShapeError, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  allZeros,
  AvgPool2d,
  Conv2d,
  fanInUniform,
  Flatten,
  glorotUniform,
  heNormal,
  Linear,
  MaxPool2d,
  ReLU,
  Sigmoid,
  Tanh,
} from '../src/index.ts'

const read = async (x: Tensor): Promise<number[]> => Array.from((await x.read()).data)

/** Sets parameters by name. */
function set(model: Module, values: Readonly<Record<string, readonly number[]>>): Module {
  for (const [name, data] of Object.entries(values)) model.parameters.get(name).set(Float32Array.from(data))
  return model
}

const image = tensor([
  [
    [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ],
  ],
])

describe('layers', () => {
  it('Linear multiplies by the transposed weight and adds the bias, on the last axis', async () => {
    const layer = set(Linear(2, 3), { weight: [1, 2, 3, 4, 5, 6], bias: [0.5, 0, -0.5] })
    expect(await read(layer(tensor([[1, -1]])))).toEqual([-0.5, -1, -1.5])
    expect(layer(tensor([[[1, -1]], [[0, 2]]])).shape).toEqual([2, 1, 3])
    expect(Linear(2, 3, { bias: false }).parameters.names).toEqual(['weight'])
  })

  it('Conv2d is a cross-correlation, with strides, paddings and groups', async () => {
    const layer = set(Conv2d(1, 1, 2), { weight: [1, 0, 0, -1], bias: [10] })
    expect(await read(layer(image))).toEqual([6, 6, 6, 6])
    const padded = set(Conv2d(1, 1, [1, 2], { stride: 2, padding: [0, [1, 0]], bias: false }), {
      weight: [1, 10],
    })
    expect(await read(padded(image))).toEqual([10, 32, 70, 98])
    const grouped = set(Conv2d(2, 2, 1, { groups: 2, bias: false }), { weight: [2, -1] })
    expect(await read(grouped(tensor([[[[3]], [[4]]]])))).toEqual([6, -4])
  })

  it('pools take the window as their stride', async () => {
    expect(await read(MaxPool2d(2, { stride: 1 })(image))).toEqual([5, 6, 8, 9])
    expect(await read(MaxPool2d(3)(image))).toEqual([9])
    expect(await read(AvgPool2d([1, 3])(image))).toEqual([2, 5, 8])
    expect(await read(AvgPool2d(3, { padding: 1, stride: 3, countPadding: false })(image))).toEqual([3])
    expect(await read(AvgPool2d(3, { padding: 1, stride: 3 })(image))).toEqual([12 / 9])
  })

  it('activations and Flatten', async () => {
    const x = tensor([[-1, 0, 2]])
    expect(await read(ReLU()(x))).toEqual([0, 0, 2])
    expect((await read(Sigmoid()(x)))[1]).toBe(0.5)
    expect((await read(Tanh()(x)))[2]).toBeCloseTo(Math.tanh(2), 12)
    expect(Flatten()(image).shape).toEqual([1, 9])
    expect(Flatten(2)(image).shape).toEqual([1, 1, 9])
    expect(Flatten(4)(image)).toBe(image)
  })

  it('say what they expect, where the network is built', () => {
    expect(() => Linear(3, 2)(image)).not.toThrow()
    expect(() => Linear(4, 2)(image)).toThrow(
      new ShapeError('Linear', 'expects [N, ..., 4], got [1, 1, 3, 3]; is a Flatten() missing before it?'),
    )
    expect(() => Linear(3, 2)(tensor([1, 2, 3]))).toThrow('expects [N, ..., 3], got [3]')
    expect(() => Conv2d(3, 2, 2)(image)).toThrow('Conv2d: expects [N, 3, H, W], got [1, 1, 3, 3]')
    expect(() => Conv2d(1, 2, 4)(image)).toThrow('the window spans 4 elements but spatial axis 0 has 3')
    expect(() => MaxPool2d(2)(tensor([[1, 2]]))).toThrow('MaxPool2d: expects [N, C, H, W], got [1, 2]')
    expect(() => MaxPool2d(2, { padding: 2 })(image)).toThrow('padding must be smaller than the window')
  })

  it('refuse sizes that are none, when they are made', () => {
    expect(() => Linear(0, 2)).toThrow('Linear: inputs must be a positive integer, not 0')
    expect(() => Linear(2, 1.5)).toThrow('Linear: outputs must be a positive integer, not 1.5')
    expect(() => Conv2d(3, 4, [1, -1])).toThrow('Conv2d: kernel width must be a positive integer, not -1')
    expect(() => Conv2d(3, 4, 1, { groups: 2 })).toThrow(
      'Conv2d: 2 groups must divide both 3 inputs and 4 outputs',
    )
  })
})

describe('initial weights', () => {
  const numbersOf = (model: Module, name: string): number[] =>
    Array.from(model.parameters.get(name).cell.data as Float32Array)

  it('are the same for the same seed, and differ between weight and bias', () => {
    const [a, b, c] = [Linear(4, 4, { seed: 5 }), Linear(4, 4, { seed: 5 }), Linear(4, 4, { seed: 6 })]
    expect(numbersOf(a, 'weight')).toEqual(numbersOf(b, 'weight'))
    expect(numbersOf(a, 'weight')).not.toEqual(numbersOf(c, 'weight'))
    expect(numbersOf(a, 'bias')).not.toEqual(numbersOf(a, 'weight').slice(0, 4))
  })

  it('lie in ±1/√fan-in and fill it, groups counted', () => {
    const weights = numbersOf(Conv2d(8, 16, 3, { groups: 2, seed: 1 }), 'weight')
    const bound = 1 / Math.sqrt(4 * 9)
    const largest = Math.max(...weights.map(Math.abs))
    expect(largest).toBeLessThanOrEqual(bound)
    expect(largest).toBeGreaterThan(0.97 * bound)
    expect(Math.abs(weights.reduce((x, y) => x + y, 0) / weights.length)).toBeLessThan(0.1 * bound)
  })

  it('have the spread that they are named for', () => {
    const source = { seed: 1, stream: 'weight' }
    const fans = { in: 50, out: 100 }
    const deviation = (data: Float32Array): number =>
      Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)
    expect(deviation(heNormal([100, 50], fans, source).data)).toBeCloseTo(Math.sqrt(2 / 50), 2)
    expect(deviation(glorotUniform([100, 50], fans, source).data)).toBeCloseTo(Math.sqrt(2 / 150), 2)
    expect(deviation(fanInUniform([100, 50], fans, source).data)).toBeCloseTo(Math.sqrt(1 / 150), 2)
    expect(deviation(allZeros([100, 50], fans, source).data)).toBe(0)
  })
})
