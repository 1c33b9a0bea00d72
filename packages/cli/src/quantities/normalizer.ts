/** @file What a loss divides the sum of its terms by. */
import { defineExtension, type Extension, gradientFlow } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'

/** The factor of every term: 1 / terms under "mean", 1 under "sum". */
export function Normalizer(): Extension<Tensor> {
  return defineExtension(
    { name: 'normalizer', options: {}, flow: gradientFlow, parameter: () => undefined },
    ({ context }) => context.normalizer.value,
  )
}

/** What was divided by; a count comes out whole, though its reciprocal was rounded. */
export function divisorOf(factor: number): number {
  const divisor = 1 / factor
  const whole = Math.round(divisor)
  return Math.abs(divisor - whole) < 1e-6 * divisor ? whole : divisor
}
