/** @file Stochastic gradient descent with momentum. */
import type { Parameter, ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, equal, where } from '@beyondgrad/tensor'
import {
  decayed,
  demandNonNegative,
  optimizerOf,
  type OptimizerOptions,
  type StatefulOptimizer,
} from './optimizer.ts'

export interface SGDOptions extends OptimizerOptions {
  /** Velocity kept from step to step, as in PyTorch: v ← momentum · v + (1 − dampening) · g, θ ← θ − rate · v. Default: 0. */
  readonly momentum?: number
  /** Share of the gradient that does not enter the velocity, but for the first step. Default: 0. */
  readonly dampening?: number
  /** Goes on with g + momentum · v in place of v (Nesterov 1983). Default: false. */
  readonly nesterov?: boolean
}

export type SGDOptimizer = StatefulOptimizer

/**
 * Stochastic gradient descent with momentum (Polyak 1964, as in PyTorch); frozen parameters stay as they are. Throws `value`
 * for a rate, momentum or decay that is negative or not finite. State of a parameter: momentum_buffer.
 */
export function SGD(parameters: ParameterMap<Parameter>, options: SGDOptions): SGDOptimizer {
  const { momentum = 0, weightDecay = 0, dampening = 0, nesterov = false } = options
  demandNonNegative('SGD', 'momentum', momentum)
  demandNonNegative('SGD', 'weightDecay', weightDecay)
  demandNonNegative('SGD', 'dampening', dampening)
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new BeyondgradError('value', 'SGD: nesterov needs momentum and no dampening')
  }
  return optimizerOf(parameters, {
    name: 'SGD',
    options,
    slots: momentum === 0 ? [] : ['momentum_buffer'],
    rule: (step) => {
      const { parameter, rate, count, read, write } = step
      const slope = decayed(step, weightDecay)
      if (momentum === 0) return parameter.value.sub(slope.mul(rate))
      const share = dampening === 0 ? slope : slope.mul(where(equal(count, 0), 1, 1 - dampening))
      const velocity = read('momentum_buffer').mul(momentum).add(share)
      write('momentum_buffer', velocity)
      const direction = nesterov ? slope.add(velocity.mul(momentum)) : velocity
      return parameter.value.sub(direction.mul(rate))
    },
  })
}
