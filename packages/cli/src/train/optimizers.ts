/** @file Optimisers by the names that the command line calls them. */
import type { Parameter, ParameterMap } from '@beyondgrad/autograd'
import { Adam, AdamW, RMSprop, SGD, type StatefulOptimizer } from '@beyondgrad/nn'
import { UsageError } from '../usage-error.ts'

export interface OptimizerChoice {
  readonly optimizer: 'sgd' | 'adam' | 'adamw' | 'rmsprop'
  readonly lr: number
  readonly momentum: number
  readonly weightDecay?: number
}

export function optimizerNamed(
  { optimizer, lr: learningRate, momentum, weightDecay }: OptimizerChoice,
  parameters: ParameterMap<Parameter>,
): StatefulOptimizer {
  const options = { learningRate, ...(weightDecay !== undefined && { weightDecay }) }
  if (momentum !== 0 && optimizer.startsWith('adam')) {
    throw new UsageError(`--momentum is for sgd and rmsprop; ${optimizer} has its own`)
  }
  switch (optimizer) {
    case 'sgd':
      return SGD(parameters, { ...options, momentum })
    case 'rmsprop':
      return RMSprop(parameters, { ...options, momentum })
    case 'adam':
      return Adam(parameters, options)
    case 'adamw':
      return AdamW(parameters, options)
  }
}
