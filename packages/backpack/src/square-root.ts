/** @file Square roots of the generalised Gauss-Newton matrix: V with G = Σ V Vᵀ. */
import { defineExtension, type Extension, ggnFlow, type ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { checkSamples, type MonteCarloOptions } from './monte-carlo.ts'
import { checkSubsample, chosen, mergeOfAll, subsampleKey, type SubsampleOptions } from './subsample.ts'

/**
 * Columns of the exact square root, `[V, N, ...parameter.shape]`: V = C − 1 for cross-entropy on C classes (BackPACK has
 * C), the number of a sample's outputs for squared errors. As large as it sounds.
 *
 * Source: Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, Section 2.
 */
export function SqrtGGN(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('SqrtGGN', subsample)
  return defineExtension({
    name: 'sqrt-ggn',
    options: { subsample: subsampleKey(subsample) },
    degree: 0.5,
    ...mergeOfAll(subsample, { concat: 1 }),
    flow: ggnFlow(),
    parameter: ({ contribution }) => chosen(contribution, subsample).materialize(),
  })
}

/** A Monte-Carlo estimate of the square root, `[samples, N, ...parameter.shape]`: V Vᵀ is the GGN on average. */
export function SqrtGGNMC(
  options: MonteCarloOptions & SubsampleOptions = {},
): Extension<ParameterMap<Tensor>> {
  const { samples = 1, seed = 0, subsample } = options
  checkSamples('SqrtGGNMC', samples)
  checkSubsample('SqrtGGNMC', subsample)
  return defineExtension({
    name: 'sqrt-ggn-mc',
    options: { samples, seed, subsample: subsampleKey(subsample) },
    degree: 0.5,
    ...mergeOfAll(subsample, { concat: 1 }),
    flow: ggnFlow({ samples, seed }),
    parameter: ({ contribution }) => chosen(contribution, subsample).materialize(),
  })
}
