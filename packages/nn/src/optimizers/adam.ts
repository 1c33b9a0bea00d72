/** @file Adam (Kingma & Ba 2015), and AdamW with weight decay apart from the gradient (Loshchilov & Hutter 2019). */
import type { Parameter, ParameterMap } from '@beyondgrad/autograd'
import { div, expm1, mul, sqrt, type Tensor } from '@beyondgrad/tensor'
import {
  decayed,
  demandNonNegative,
  demandShare,
  optimizerOf,
  type OptimizerOptions,
  type StatefulOptimizer,
} from './optimizer.ts'

export interface AdamOptions extends Omit<OptimizerOptions, 'learningRate'> {
  /** Default: 0.001. */
  readonly learningRate?: OptimizerOptions['learningRate']
  /** Decay of the running means of the gradient and of its square. Default: [0.9, 0.999]. */
  readonly betas?: readonly [number, number]
  /** Added to the root of the mean square. Default: 10⁻⁸. */
  readonly eps?: number
}

/** Adam; weight decay (default 0) is part of the gradient. State of a parameter: exp_avg, exp_avg_sq. */
export function Adam(parameters: ParameterMap<Parameter>, options: AdamOptions = {}): StatefulOptimizer {
  return adam('Adam', parameters, options, options.weightDecay ?? 0, false)
}

/** AdamW; weight decay (default 0.01) shrinks the parameters themselves. State of a parameter: exp_avg, exp_avg_sq. */
export function AdamW(parameters: ParameterMap<Parameter>, options: AdamOptions = {}): StatefulOptimizer {
  return adam('AdamW', parameters, options, options.weightDecay ?? 0.01, true)
}

function adam(
  name: string,
  parameters: ParameterMap<Parameter>,
  options: AdamOptions,
  weightDecay: number,
  apart: boolean,
): StatefulOptimizer {
  const { learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8 } = options
  demandNonNegative(name, 'weightDecay', weightDecay)
  demandNonNegative(name, 'eps', eps)
  betas.forEach((beta, i) => demandShare(name, `betas[${i}]`, beta))
  return optimizerOf(parameters, {
    name,
    options: { ...options, learningRate },
    slots: ['exp_avg', 'exp_avg_sq'],
    rule: (step) => {
      const { parameter, rate, count, read, write } = step
      const slope = apart ? step.gradient : decayed(step, weightDecay)
      const follow = (slot: string, beta: number, now: Tensor): Tensor => {
        const mean = read(slot)
          .mul(beta)
          .add(now.mul(1 - beta))
        write(slot, mean)
        // Means that start at 0 are too small by 1 − βᵗ.
        return div(mean, shareSince(count.add(1), beta))
      }
      const mean = follow('exp_avg', betas[0], slope)
      const square = follow('exp_avg_sq', betas[1], slope.square())
      const start = apart ? mul(parameter.value, rate.mul(-weightDecay).add(1)) : parameter.value
      return start.sub(mean.div(sqrt(square).add(eps)).mul(rate))
    },
  })
}

/** 1 − βᵗ, in digits that single precision would lose in the difference. */
function shareSince(steps: Tensor, beta: number): Tensor | number {
  return beta === 0 ? 1 : expm1(steps.mul(Math.log(beta))).neg()
}
