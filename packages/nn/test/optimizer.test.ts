import {
  backward,
  defineExtension,
  type Extension,
  gradientFlow,
  mseLoss,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { evaluate, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { Linear, SGD, type SGDOptions as Options } from '../src/index.ts'

type SGDOptions = Options & { readonly learningRate: number }

const engine = referenceEngine()
const gradient: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'gradient',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.sum(),
})

const inputs = [
  [1, 2],
  [-1, 0.5],
  [0.3, -2],
]
const targets = [1, -0.5, 2]

/** y = w·x + b under a squared error, step by step, by hand. */
function byHand(start: readonly number[], steps: number, options: SGDOptions): number[] {
  const { learningRate, momentum = 0, weightDecay = 0 } = options
  const theta = [...start]
  const velocity = theta.map(() => 0)
  for (let step = 0; step < steps; step++) {
    const slopes = theta.map(() => 0)
    inputs.forEach((row, n) => {
      const x = [...row, 1]
      const error = x.reduce((sum, a, i) => sum + a * theta[i]!, 0) - targets[n]!
      x.forEach((a, i) => (slopes[i]! += 2 * error * a))
    })
    theta.forEach((value, i) => {
      velocity[i] = momentum * velocity[i]! + slopes[i]! + weightDecay * value
      theta[i] = value - learningRate * velocity[i]
    })
  }
  return theta
}

async function trained(steps: number, options: SGDOptions): Promise<{ start: number[]; end: number[] }> {
  const model = Linear(2, 1, { seed: 3 })
  const optimizer = SGD(model.parameters, options)
  const read = (): number[] =>
    ['weight', 'bias'].flatMap((name) => Array.from(model.parameters.get(name).cell.data as Float32Array))
  const start = read()
  for (let step = 0; step < steps; step++) {
    const loss = mseLoss(model(tensor(inputs)), tensor(targets.map((y) => [y])), { reduction: 'sum' })
    const { slopes } = backward(loss, { slopes: gradient })
    await evaluate({ update: optimizer.update(slopes) }, { engine })
  }
  return { start, end: read() }
}

const options: readonly SGDOptions[] = [
  { learningRate: 0.05 },
  { learningRate: 0.03, momentum: 0.9 },
  { learningRate: 0.05, weightDecay: 0.1 },
  { learningRate: 0.02, momentum: 0.5, weightDecay: 0.2 },
  { learningRate: 0 },
]

describe('SGD', () => {
  it.each(options)('is the loop that a hand would write: %o', async (how) => {
    const { start, end } = await trained(6, how)
    const expected = byHand(start, 6, how)
    // The learning rate and the first weights are single precision numbers.
    end.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6))
    if (how.learningRate > 0) expect(end).not.toEqual(start)
  })

  it('leaves frozen parameters alone', async () => {
    const model = Linear(2, 1, { seed: 3 })
    const frozen = model.parameters.map((p) => p.as({ trainable: p.name === 'bias' }))
    const before = Array.from(model.parameters.get('weight').cell.data as Float32Array)
    const optimizer = SGD(frozen, { learningRate: 0.1 })
    const loss = mseLoss(model(tensor(inputs)), tensor(targets.map((y) => [y])))
    await evaluate(optimizer.update(backward(loss, { slopes: gradient }, { parameters: frozen }).slopes), {
      engine,
    })
    expect(Array.from(model.parameters.get('weight').cell.data as Float32Array)).toEqual(before)
    expect(model.parameters.get('bias').cell.version).toBe(1)
    expect(model.parameters.get('weight').cell.version).toBe(0)
  })

  it('refuses rates that are no rates, when made and when set', () => {
    const { parameters } = Linear(2, 1)
    expect(() => SGD(parameters, { learningRate: -1 })).toThrow(
      'SGD: learningRate must be a non-negative number, not -1',
    )
    expect(() => SGD(parameters, { learningRate: 1, momentum: NaN })).toThrow('SGD: momentum must be')
    expect(() => SGD(parameters, { learningRate: 1, weightDecay: Infinity })).toThrow(
      'SGD: weightDecay must be',
    )
    const optimizer = SGD(parameters, { learningRate: 0.5 })
    expect(() => (optimizer.learningRate = NaN)).toThrow('SGD: learningRate must be')
    expect(optimizer.learningRate).toBe(0.5)
  })
})
