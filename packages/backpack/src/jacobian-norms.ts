/** @file How far a sample's output moves with a parameter, whatever the loss. */
import { defineExtension, type Extension, jacobianFlow, type ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'

/**
 * Squared Frobenius norms of every sample's Jacobian ∂fₙ/∂θ, `[N]` for each parameter: the diagonal of the neural tangent kernel.
 * The output f is what the loss looks at; neither its targets nor its scale matter. As many columns travel back as a sample
 * has outputs.
 *
 * Source: Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018.
 */
export function BatchJacobianL2(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'batch-jacobian-l2',
    options: {},
    flow: jacobianFlow,
    degree: 0,
    merge: 'concat',
    parameter: ({ contribution }) => contribution.squaredNorms(),
  })
}
