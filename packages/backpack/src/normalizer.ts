/** @file The scale that individual gradients and curvature carry. */
import { defineExtension, type Extension, gradientFlow } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'

/**
 * What every term of the first marked loss is multiplied with, a scalar: 1 / terms (or 1 / Σ weights) under "mean", 1 under "sum". Divide
 * individual gradients by it, and second moments by its square, for values without that scale.
 */
export function Normalizer(): Extension<Tensor> {
  return defineExtension(
    { name: 'normalizer', options: {}, degree: 0, flow: gradientFlow, parameter: () => undefined },
    ({ context }) => context.normalizer.value,
  )
}
