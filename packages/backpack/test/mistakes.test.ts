/** @file Slips that once gave wrong numbers or no sentence. */
import {
  backward,
  crossEntropy,
  defineExtension,
  type Extension,
  ggnFlow,
  gradientFlow,
  type ParameterMap,
  parameter,
} from '@beyondgrad/autograd'
import { Linear, Sequential } from '@beyondgrad/nn'
import {
  conv,
  evaluate,
  fillRandom,
  intTensor,
  referenceEngine,
  sum,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { BatchGradient, BatchL2, Gradient } from '../src/index.ts'

const engine = referenceEngine()
const x = tensor([
  [1, 2, 3],
  [0, -1, 1],
])
const y = intTensor([0, 1])
const model = Linear(3, 2, { seed: 1 })
const loss = crossEntropy(model(x), y)

const scaled = (factor: number): Extension<ParameterMap<Tensor>> =>
  defineExtension({
    name: 'gradient',
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.sum().mul(factor),
  })

describe('backward', () => {
  it('keeps extensions of one name apart, whatever they forgot to say of their options', async () => {
    const results = backward(loss, { plain: Gradient(), ten: scaled(10), hundred: scaled(100) })
    const { plain, ten, hundred } = await evaluate(results, { engine })
    for (const [p, { data }] of plain) {
      data.forEach((value, i) => {
        expect(ten.get(p).data[i]).toBeCloseTo(10 * value, 12)
        expect(hundred.get(p).data[i]).toBeCloseTo(100 * value, 12)
      })
    }
  })

  it('says what to do about two models whose parameters have the same names', () => {
    const first = Sequential(Linear(3, 3, { seed: 1 }))
    const second = Sequential(Linear(3, 2, { seed: 2 }))
    expect(() => backward(crossEntropy(second(first(x)), y), { gradient: Gradient() })).toThrow(
      'two parameters of this loss are called "0.weight": join their models to one, as in Sequential({ encoder, decoder })',
    )
  })

  it('refuses a square root of a curvature that is negative', async () => {
    const root = defineExtension({
      name: 'root',
      flow: ggnFlow(),
      parameter: ({ contribution }) => contribution.materialize(),
    })
    const turned = backward(loss.mul(-1), { root })
    await expect(evaluate(turned, { engine })).rejects.toThrow('materialize: the scale of the loss is -0.5')
  })

  it('adds up a convolution weight that is used with different groups', async () => {
    const data = new Float32Array(2 * 4 * 9)
    fillRandom({ distribution: 'normal', seed: 1, stream: 'images' }, 0, 1, 1, data.length, data)
    const images = tensor(data, { shape: [2, 4, 3, 3], dtype: 'float32' })
    const weight = parameter('w', { shape: [2, 2, 2, 2], dtype: 'float32', data: data.slice(0, 16) })
    const half = images.slice(1, 0, 2)
    const features = conv(half, weight.value).add(conv(images, weight.value, { groups: 2 }))
    const whole = crossEntropy(sum(features, [2, 3]), y)
    const results = backward(whole, { gradient: Gradient(), each: BatchGradient(), l2: BatchL2() })
    const { gradient, each, l2 } = await evaluate(results, { engine })
    const perSample = each.get('w').data
    gradient
      .get('w')
      .data.forEach((value, i) => expect(perSample[i]! + perSample[16 + i]!).toBeCloseTo(value, 12))
    const square = perSample.slice(0, 16).reduce((total, value) => total + value * value, 0)
    expect(l2.get('w').data[0]).toBeCloseTo(square, 12)
  })
})
