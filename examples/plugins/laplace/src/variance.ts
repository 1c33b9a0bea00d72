/** @file The posterior's variances of a batch as a quantity that rides along on the backward pass. */
import { defineExtension, type Extension, ggnFlow, type ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'

export interface PosteriorVarianceOptions {
  /** τ: parameters have the prior N(0, 1/τ). Default: 1. */
  readonly priorPrecision?: number
  /** How many samples the data set has for each one of the batch. Default: 1. */
  readonly repeats?: number
}

/**
 * Variances 1 / (h + τ) of the diagonal Laplace posterior, [...parameter.shape], h the Gauss-Newton diagonal of the samples' own
 * losses – without the 1/N of a mean – as often as the data set is larger than the batch.
 */
export function PosteriorVariance(options: PosteriorVarianceOptions = {}): Extension<ParameterMap<Tensor>> {
  const { priorPrecision = 1, repeats = 1 } = options
  for (const [name, value] of Object.entries({ priorPrecision, repeats })) {
    if (value > 0 && value < Infinity) continue
    throw new BeyondgradError('value', `PosteriorVariance: ${name} must be a positive number, not ${value}`)
  }
  return defineExtension({
    name: 'posterior-variance',
    options: { priorPrecision, repeats },
    flow: ggnFlow(),
    // The scale of the loss is taken out.
    degree: 0,
    parameter: ({ contribution, context }) =>
      contribution.sumOfSquares().div(context.lossScale).mul(repeats).add(priorPrecision).pow(-1),
  })
}
