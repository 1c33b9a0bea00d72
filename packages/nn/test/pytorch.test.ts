import { parameter, parameterMap } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import {
  type Engine,
  evaluate,
  isTensor,
  type NDArray,
  referenceEngine,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { Adam, AdamW, cosineDecay, RMSprop, SGD, stateOf, stepDecay, trainingPass } from '../src/index.ts'
import { arrayOf, fixture, inputsOf, layerOf, tensorOf, type Values } from './pytorch.ts'

function expectClose(found: Pick<NDArray, 'shape' | 'data'>, { shape, data }: Values, rtol: number): void {
  expect(found.shape).toEqual(shape)
  const numbers = Array.from(found.data, Number)
  data.forEach((wanted, i) => {
    expect(Math.abs(numbers[i]! - wanted), `entry ${i}: ${numbers[i]} for ${wanted}`).toBeLessThanOrEqual(
      rtol * (1 + Math.abs(wanted)),
    )
  })
}

const tensorsOf = (value: unknown): Tensor[] =>
  isTensor(value) ? [value as Tensor] : (value as unknown[]).flatMap(tensorsOf)

const engines: readonly (readonly [string, Engine, number])[] = [
  ['reference engine', referenceEngine(), 1e-9],
  ['onnxruntime', onnxruntime(), 1e-5],
]

const named = fixture.layers.map((each, i) => {
  const settings = [...each.args.map((arg) => JSON.stringify(arg)), JSON.stringify(each.options ?? {})]
  return [`${i} ${each.layer}(${settings.join(', ')})${each.training ? ' in training' : ''}`, each] as const
})

describe.each(engines)('layers are PyTorch’s on the %s', (_name, engine, rtol) => {
  it.each(named)('%s', async (_case, each) => {
    const layer = layerOf(each)
    const pass = trainingPass()
    const outputs = tensorsOf((each.training ? pass.of(layer) : layer)(...(inputsOf(each) as Tensor[])))
    const { found } = await evaluate({ found: outputs, updates: pass.updates() }, { engine })
    expect(found).toHaveLength(each.outputs.length)
    each.outputs.forEach((output, i) => {
      expectClose(found[i]!, output, rtol)
    })
    for (const [name, values] of Object.entries(each.after ?? {})) {
      expectClose(stateOf(layer)[name] as NDArray, values, rtol)
    }
  })
})

describe.each(engines)('optimisers are PyTorch’s on the %s', (_name, engine, rtol) => {
  const factories = { SGD, Adam, AdamW, RMSprop }

  it.each(fixture.optimizers.map((each) => [each.optimizer, each.options, each] as const))(
    '%s %o',
    async (name, options, { gradients, weight: lastWeight, bias: lastBias }) => {
      const start = (shape: number[], data: number[]): NDArray => arrayOf({ shape, data }) as NDArray
      const parameters = parameterMap([
        parameter('weight', start([2, 2], [0.5, -1, 2, 0.25])),
        parameter('bias', start([2], [1, -0.5])),
      ])
      const optimizer = factories[name](parameters, options as never)
      for (const gradient of gradients) {
        const slopes = parameters.map((_, p) => tensorOf(gradient[p.name as 'weight']) as Tensor)
        await evaluate(optimizer.update(slopes), { engine })
      }
      expect(optimizer.steps).toBe(gradients.length)
      const { weight, bias } = stateOf({ parameters })
      expectClose(weight as NDArray, lastWeight, rtol)
      expectClose(bias as NDArray, lastBias, rtol)
    },
  )
})

describe('schedules are PyTorch’s', () => {
  const schedules = {
    StepLR: stepDecay(2, { every: 3, factor: 0.5 }),
    CosineAnnealingLR: cosineDecay(2, { steps: 6, least: 0.1 }),
  }
  it.each(fixture.schedules)('$schedule', ({ schedule, rates }) => {
    rates.forEach((rate, step) => {
      expect(schedules[schedule as keyof typeof schedules](step)).toBeCloseTo(rate, 10)
    })
  })
})
