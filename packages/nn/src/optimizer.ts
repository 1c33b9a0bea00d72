/** @file Optimisers: gradients in, writes to parameters and to their own state out. */
import type { Optimizer, Parameter, ParameterMap } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  type Cell,
  cell,
  cellTensor,
  type Tensor,
  updates,
} from '@beyondgrad/tensor'

export interface SGDOptions {
  readonly learningRate: number
  /** Velocity kept from step to step, as in PyTorch: v ← momentum · v + g, θ ← θ − rate · v. Default: 0. */
  readonly momentum?: number
  /** Adds this times the parameter to the gradient. Default: 0. */
  readonly weightDecay?: number
}

/** An optimiser whose rate can be changed between steps, without a new trace. */
export interface SGDOptimizer extends Optimizer {
  learningRate: number
}

/**
 * Stochastic gradient descent with momentum (Polyak 1964, as in PyTorch); frozen parameters stay as they are. Throws `value`
 * for a rate, momentum or decay that is negative or not finite.
 */
export function SGD(parameters: ParameterMap<Parameter>, options: SGDOptions): SGDOptimizer {
  const { momentum = 0, weightDecay = 0 } = options
  demandNonNegative('learningRate', options.learningRate)
  demandNonNegative('momentum', momentum)
  demandNonNegative('weightDecay', weightDecay)
  const rate = cell('learning rate', scalar(options.learningRate), { trainable: false })
  const velocities = new Map<object, Cell>()
  if (momentum !== 0) {
    for (const [, { identity, name, shape, cell: of }] of parameters) {
      const zero = { shape, dtype: 'float32', data: new Float32Array(of.data.length) } as const
      velocities.set(identity, cell(`velocity of ${name}`, zero, { trainable: false }))
    }
  }
  const step = (parameter: Parameter, slope: Tensor): (readonly [Cell, AnyTensor])[] => {
    const decayed = weightDecay === 0 ? slope : slope.add(parameter.value.mul(weightDecay))
    const learningRate = cellTensor(rate) as Tensor
    const state = velocities.get(parameter.identity)
    if (state === undefined) return [[parameter.cell, parameter.value.sub(decayed.mul(learningRate))]]
    const velocity = (cellTensor(state) as Tensor).mul(momentum).add(decayed)
    return [
      [state, velocity],
      [parameter.cell, parameter.value.sub(velocity.mul(learningRate))],
    ]
  }
  return {
    parameters,
    get learningRate(): number {
      return Number(rate.data[0])
    },
    set learningRate(value: number) {
      demandNonNegative('learningRate', value)
      rate.data = scalar(value).data
      rate.version++
    },
    update: (gradient) =>
      updates([...parameters].flatMap(([, p]) => (p.trainable ? step(p, gradient.get(p)) : []))),
  }
}

function demandNonNegative(name: string, value: number): void {
  if (value >= 0 && Number.isFinite(value)) return
  throw new BeyondgradError('value', `SGD: ${name} must be a non-negative number, not ${value}`)
}

function scalar(value: number) {
  return { shape: [], dtype: 'float32', data: Float32Array.of(value) } as const
}
