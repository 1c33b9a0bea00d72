/** @file Diagonals of the curvature: generalised Gauss-Newton, its Monte-Carlo estimate, and the Hessian. */
import {
  defineExtension,
  type Extension,
  ggnFlow,
  hessianFlow,
  hutchinsonDiagonal,
  hutchinsonFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { checkSamples, type MonteCarloOptions } from './monte-carlo.ts'
import { checkSubsample, chosen, mergeOfAll, subsampleKey, type SubsampleOptions } from './subsample.ts'

/**
 * Diagonal of the generalised Gauss-Newton matrix Σₙ Jₙᵀ Hₙ Jₙ, `[...parameter.shape]`. Exact: C − 1 columns travel
 * back for cross-entropy on C classes, D for a squared error on D outputs.
 *
 * Source: Dangel, Kunstner, Hennig, "BackPACK", ICLR 2020, Table 1.
 */
export function DiagGGN(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('DiagGGN', subsample)
  return defineExtension({
    name: 'diag-ggn',
    options: { subsample: subsampleKey(subsample) },
    flow: ggnFlow(),
    ...mergeOfAll(subsample, 'sum'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sumOfSquares(),
  })
}

/**
 * Monte-Carlo estimate of the GGN's diagonal: labels are drawn from the model's own distribution, so that few columns
 * (default 1) travel back however many classes there are. `[...parameter.shape]`; throws `value` for a number of samples
 * that is none.
 *
 * Source: Dangel, Kunstner, Hennig, "BackPACK", ICLR 2020, Table 1.
 */
export function DiagGGNMC(
  options: MonteCarloOptions & SubsampleOptions = {},
): Extension<ParameterMap<Tensor>> {
  const { samples = 1, seed = 0, subsample } = options
  checkSamples('DiagGGNMC', samples)
  checkSubsample('DiagGGNMC', subsample)
  return defineExtension({
    name: 'diag-ggn-mc',
    options: { samples, seed, subsample: subsampleKey(subsample) },
    flow: ggnFlow({ samples, seed }),
    ...mergeOfAll(subsample, 'sum'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sumOfSquares(),
  })
}

/** Every sample's part of the GGN's diagonal, `[N, ...parameter.shape]`; they sum to `DiagGGN`. */
export function BatchDiagGGN(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('BatchDiagGGN', subsample)
  return defineExtension({
    name: 'batch-diag-ggn',
    options: { subsample: subsampleKey(subsample) },
    flow: ggnFlow(),
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sampleSquares(),
  })
}

/** Every sample's part of the estimate `DiagGGNMC`, `[N, ...parameter.shape]`. */
export function BatchDiagGGNMC(
  options: MonteCarloOptions & SubsampleOptions = {},
): Extension<ParameterMap<Tensor>> {
  const { samples = 1, seed = 0, subsample } = options
  checkSamples('BatchDiagGGNMC', samples)
  checkSubsample('BatchDiagGGNMC', subsample)
  return defineExtension({
    name: 'batch-diag-ggn-mc',
    options: { samples, seed, subsample: subsampleKey(subsample) },
    flow: ggnFlow({ samples, seed }),
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sampleSquares(),
  })
}

/**
 * Diagonal of the Hessian ∇²L, `[...parameter.shape]`. Exact, residuals of non-linear ops included; in a net that is
 * piecewise linear it equals the GGN's and costs as much.
 */
export function DiagHessian(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('DiagHessian', subsample)
  return defineExtension({
    name: 'diag-hessian',
    options: { subsample: subsampleKey(subsample) },
    flow: hessianFlow(),
    ...mergeOfAll(subsample, 'sum'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sumOfSquares(),
  })
}

/**
 * Every sample's part of the Hessian's diagonal, `[N, ...parameter.shape]`; they sum to `DiagHessian`, and have its exactness and its
 * limits.
 */
export function BatchDiagHessian(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('BatchDiagHessian', subsample)
  return defineExtension({
    name: 'batch-diag-hessian',
    options: { subsample: subsampleKey(subsample) },
    flow: hessianFlow(),
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sampleSquares(),
  })
}

/**
 * Diagonal of the empirical Fisher matrix c Σₙ ∇ℓₙ ∇ℓₙᵀ, `[...parameter.shape]`: slopes at the labels of the data, where the
 * GGN has draws from the model. A different matrix, though of the same scale; it vanishes where every sample is fitted.
 *
 * Source: Kunstner, Balles and Hennig, "Limitations of the empirical Fisher approximation", NeurIPS 2019.
 */
export function DiagEmpiricalFisher(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('DiagEmpiricalFisher', subsample)
  return defineExtension({
    name: 'diag-empirical-fisher',
    options: { subsample: subsampleKey(subsample) },
    flow: ggnFlow({ samples: 'empirical' }),
    ...mergeOfAll(subsample, 'sum'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sumOfSquares(),
  })
}

/**
 * Hutchinson's estimate of the Hessian's diagonal, `[...parameter.shape]`: the mean of z ⊙ H z over `samples` vectors z of
 * random signs. For any loss and any network – also where samples mix, where no marked loss is, or where the exact form has
 * too many columns. Each entry's variance is twice the sum of the squares beside the diagonal in its row, divided by
 * `samples`.
 *
 * Source: Bekas, Kokiopoulou and Saad, "An estimator for the diagonal of a matrix", 2007.
 */
export function DiagHessianMC(options: MonteCarloOptions = {}): Extension<ParameterMap<Tensor>> {
  const { samples = 1, seed = 0 } = options
  checkSamples('DiagHessianMC', samples)
  return defineExtension({
    name: 'diag-hessian-mc',
    options: { samples, seed },
    flow: hutchinsonFlow({ samples, seed }),
    merge: 'sum',
    parameter: ({ contribution }) => hutchinsonDiagonal(contribution),
  })
}
