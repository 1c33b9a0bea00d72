/** @file How alike the samples of a batch are, seen from the parameters. */
import { defineExtension, type Extension, gradientFlow, type ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { checkSubsample, chosen, subsampleKey, type SubsampleOptions } from './subsample.ts'

/**
 * Inner products of the individual gradients, `[N, N]` for each parameter: ⟨gₘ, gₙ⟩, with the squared norms of `BatchL2` on the
 * diagonal. Their sum over the parameters is that of the whole network, as a neural tangent kernel weighted by the loss.
 */
export function GradientGram(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('GradientGram', subsample)
  return defineExtension({
    name: 'gradient-gram',
    options: { subsample: subsampleKey(subsample) },
    flow: gradientFlow,
    degree: 2,
    parameter: ({ contribution }) => chosen(contribution, subsample).gram(),
  })
}
