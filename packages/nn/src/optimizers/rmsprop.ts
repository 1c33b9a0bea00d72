/** @file RMSprop (Hinton 2012, unpublished; Graves 2013 for the centred form). */
import type { Parameter, ParameterMap } from '@beyondgrad/autograd'
import { sqrt } from '@beyondgrad/tensor'
import {
  decayed,
  demandNonNegative,
  demandShare,
  optimizerOf,
  type OptimizerOptions,
  type StatefulOptimizer,
} from './optimizer.ts'

export interface RMSpropOptions extends Omit<OptimizerOptions, 'learningRate'> {
  /** Default: 0.01. */
  readonly learningRate?: OptimizerOptions['learningRate']
  /** Decay of the running mean of the squared gradient. Default: 0.99. */
  readonly alpha?: number
  /** Added to the root of the mean square. Default: 10⁻⁸. */
  readonly eps?: number
  /** Default: 0. */
  readonly momentum?: number
  /** Whether the mean of the gradient is taken off its mean square. Default: false. */
  readonly centered?: boolean
}

/** RMSprop as in PyTorch. State of a parameter: square_avg, and momentum_buffer, grad_avg where they are used. */
export function RMSprop(
  parameters: ParameterMap<Parameter>,
  options: RMSpropOptions = {},
): StatefulOptimizer {
  const { learningRate = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0 } = options
  const { centered = false } = options
  demandShare('RMSprop', 'alpha', alpha)
  demandNonNegative('RMSprop', 'eps', eps)
  demandNonNegative('RMSprop', 'weightDecay', weightDecay)
  demandNonNegative('RMSprop', 'momentum', momentum)
  return optimizerOf(parameters, {
    name: 'RMSprop',
    options: { ...options, learningRate },
    slots: ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])],
    rule: (step) => {
      const { parameter, rate, read, write } = step
      const slope = decayed(step, weightDecay)
      const squares = read('square_avg')
        .mul(alpha)
        .add(slope.square().mul(1 - alpha))
      write('square_avg', squares)
      let variance = squares
      if (centered) {
        const mean = read('grad_avg')
          .mul(alpha)
          .add(slope.mul(1 - alpha))
        write('grad_avg', mean)
        variance = squares.sub(mean.square())
      }
      const scaled = slope.div(sqrt(variance).add(eps))
      if (momentum === 0) return parameter.value.sub(scaled.mul(rate))
      const velocity = read('momentum_buffer').mul(momentum).add(scaled)
      write('momentum_buffer', velocity)
      return parameter.value.sub(velocity.mul(rate))
    },
  })
}
