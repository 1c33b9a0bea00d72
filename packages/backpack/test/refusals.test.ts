/** @file What can't be computed is refused, with a sentence that says what, where, and what to do. */
import {
  backward,
  crossEntropy,
  type Extension,
  mseLoss,
  type ParameterMap,
  parameter,
} from '@beyondgrad/autograd'
import { Linear, moduleOf, Sequential, Tanh } from '@beyondgrad/nn'
import {
  BeyondgradError,
  conv,
  evaluate,
  intTensor,
  matmul,
  reshape,
  square,
  sub,
  sum,
  tanh,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
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

const x = tensor([
  [1, 2, 3],
  [0, -1, 1],
])
const y = intTensor([0, 1])
const net = () => Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))

function refusal(loss: Tensor, extension: Extension<ParameterMap<Tensor>>): BeyondgradError {
  try {
    backward(loss, { quantity: extension })
  } catch (error) {
    if (error instanceof BeyondgradError) return error
    throw error
  }
  throw new Error('it was not refused')
}

const beyond = {
  BatchGradient: BatchGradient(),
  BatchL2: BatchL2(),
  SumGradSquared: SumGradSquared(),
  Variance: Variance(),
  DiagGGN: DiagGGN(),
  DiagGGNMC: DiagGGNMC(),
  DiagHessian: DiagHessian(),
}

describe.each(Object.entries(beyond))('%s', (_name, extension) => {
  it('is refused where samples mix, naming the op', () => {
    const model = net()
    const output = model(x)
    const loss = crossEntropy(sub(output, output.mean([0], { keep: true })), y)
    expect(refusal(loss, extension)).toMatchObject({
      code: 'mixed-samples',
      message: `${extension.name}: op "sum" on [2, 2] mixes samples, so that no sample has a contribution of its own`,
    })
  })

  it('is refused for terms of parameters alone, naming the parameters', () => {
    const model = net()
    const decay = square(model.parameters.get('0.weight').value).sum()
    const failure = refusal(crossEntropy(model(x), y).add(decay), extension)
    expect(failure.code).toBe('not-a-loss')
    expect(failure.message).toContain('terms of parameters alone (0.weight)')
  })

  it('is refused for a loss that nobody marked', () => {
    const failure = refusal(square(net()(x)).sum(), extension)
    expect(failure.code).toBe('not-a-loss')
    expect(failure.message).toContain(extension.name)
  })
})

describe('Gradient', () => {
  it('is there in all three cases', async () => {
    const model = net()
    const output = model(x)
    const decay = square(model.parameters.get('0.weight').value).sum()
    const losses = [
      crossEntropy(sub(output, output.mean([0], { keep: true })), y),
      crossEntropy(output, y).add(decay),
      square(output).sum(),
    ]
    for (const loss of losses) {
      const { gradient } = await evaluate(backward(loss, { gradient: Gradient() }))
      expect(gradient.names).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
      expect(Array.from(gradient.get('0.weight').data).every((g) => g !== 0)).toBe(true)
    }
  })
})

describe('DiagHessian', () => {
  const w = parameter('w', { shape: [3, 3], dtype: 'float32', data: new Float32Array(9).fill(0.3) })
  const target = tensor([
    [1, 0, 0],
    [0, 1, 0],
  ])
  it('says at which op a weight meets itself, where that is too much', () => {
    const kernel = parameter('kernel', {
      shape: [1, 1, 2, 2],
      dtype: 'float32',
      data: new Float32Array(4).fill(0.3),
    })
    const images = tensor(new Float32Array(18).fill(1), { shape: [2, 1, 3, 3], dtype: 'float32' })
    const twice = conv(tanh(conv(images, kernel.value, { padding: 1 })), kernel.value, { stride: 2 })
    const loss = mseLoss(
      reshape(twice, [2, -1]),
      tensor(new Float32Array(8), { shape: [2, 4], dtype: 'float32' }),
    )
    expect(refusal(loss, DiagHessian()).message).toBe(
      'diag-hessian: a parameter reaches op "conv" on [2, 1, 4, 4] and [1, 1, 2, 2] through two inputs; the exact Hessian of that is not available yet',
    )
  })

  it('says which parameter needs too many columns for what is made of it', () => {
    const normalised = w.value.div(sum(square(w.value)).sqrt())
    const loss = mseLoss(moduleOf((a: Tensor) => matmul(a, normalised), [w])(x), target)
    expect(() => backward(loss, { h: DiagHessian() }, { limit: 9 })).not.toThrow()
    expect(() => backward(loss, { h: DiagHessian() }, { limit: 8 })).toThrow(
      'diag-hessian: what is made of parameter "w" before it is used bends across its 9 entries, and the exact form needs a column for each; raise the option limit',
    )
  })

  it('counts its columns, and refuses more than the limit with an alternative', () => {
    const deep = Sequential(net(), Tanh(), Linear(2, 2, { seed: 3 }))
    const loss = crossEntropy(deep(x), y)
    // One column for the loss, two for what the upper tanh bends; the lower one's stay a diagonal.
    expect(() => backward(loss, { h: DiagHessian() }, { limit: 3 })).not.toThrow()
    expect(() => backward(loss, { h: DiagHessian() }, { limit: 2 })).toThrow(
      /^diag-hessian: the exact form needs more than 2 columns \(\d+ so far, \d+ of them at op "\w+"\); raise the option limit, or use a stochastic quantity such as DiagHessianMC or DiagGGNMC$/,
    )
  })
})

describe('frozen parameters', () => {
  it('have no results, and change none', async () => {
    const model = net()
    const all = backward(crossEntropy(model(x), y), beyond)
    const some = backward(crossEntropy(model(x), y), beyond, {
      parameters: model.parameters.map((p) => p.as({ trainable: p.name.startsWith('0') })),
    })
    const [whole, part] = [await evaluate(all), await evaluate(some)]
    for (const key of Object.keys(beyond) as (keyof typeof beyond)[]) {
      expect(part[key].names).toEqual(['0.weight', '0.bias'])
      for (const [parameter, { data }] of part[key]) {
        expect(Array.from(data)).toEqual(Array.from(whole[key].get(parameter).data))
      }
    }
  })

  it('that do not influence the loss are named', () => {
    const [used, other] = [net(), Linear(2, 2, { seed: 9 })]
    expect(() =>
      backward(crossEntropy(used(x), y), { v: Variance() }, { parameters: [other.parameters.get('bias')] }),
    ).toThrow('parameter "bias" does not influence the loss; leave it out')
  })
})
