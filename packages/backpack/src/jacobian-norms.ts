/** @file How far a sample's output moves with a parameter, whatever the loss. */
import { defineExtension, type Extension, jacobianFlow, type ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { checkSubsample, chosen, mergeOfAll, subsampleKey, type SubsampleOptions } from './subsample.ts'

/**
 * Squared Frobenius norms of every sample's Jacobian ∂fₙ/∂θ, `[N]` for each parameter: the diagonal of the neural tangent kernel.
 * The output f is what the loss looks at; neither its targets nor its scale matter. As many columns travel back as a sample
 * has outputs.
 *
 * Source: Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018.
 */
export function BatchJacobianL2(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('BatchJacobianL2', subsample)
  return defineExtension({
    name: 'batch-jacobian-l2',
    options: { subsample: subsampleKey(subsample) },
    flow: jacobianFlow,
    degree: 0,
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).squaredNorms(),
  })
}
