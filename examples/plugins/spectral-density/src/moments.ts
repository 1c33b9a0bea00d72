/** @file Mean and variance of the Hessian's spectrum as a quantity that rides along on the backward pass. */
import { defineExtension, type Extension, hutchinsonFlow, type SignProduct } from '@beyondgrad/autograd'
import { BeyondgradError, sizeOf, square, sum, type Tensor } from '@beyondgrad/tensor'

export interface SpectralMomentsOptions {
  /** Random vectors; each costs about a gradient of the gradient. Default: 1. */
  readonly samples?: number
  /** Default: 0. */
  readonly seed?: number
}

/** Of all eigenvalues of the Hessian together, estimated; scalars. */
export interface SpectralMoments {
  /** tr H / P. */
  readonly mean: Tensor
  /** tr H² / P − (tr H / P)². */
  readonly variance: Tensor
}

/** Hutchinson's estimates of the first two moments of the spectral density: E[zᵀ H z] = tr H and E[‖H z‖²] = tr H². */
export function SpectralMoments(options: SpectralMomentsOptions = {}): Extension<SpectralMoments> {
  const { samples = 1, seed = 0 } = options
  if (!(Number.isInteger(samples) && samples > 0)) {
    throw new BeyondgradError('value', `SpectralMoments: samples must be a positive integer, not ${samples}`)
  }
  return defineExtension(
    {
      name: 'spectral-moments',
      options: { samples, seed },
      flow: hutchinsonFlow({ samples, seed }),
      parameter: ({ contribution }) => ({
        trace: over(contribution, ({ signs, product }) => sum(signs.mul(product))),
        squares: over(contribution, ({ product }) => sum(square(product))),
      }),
    },
    ({ byParameter }) => {
      const parts = [...byParameter]
      const dimension = parts.reduce((total, [{ shape }]) => total + sizeOf(shape), 0)
      const total = (of: (part: (typeof parts)[number][1]) => Tensor): Tensor =>
        parts
          .map(([, part]) => of(part))
          .reduce((a, b) => a.add(b))
          .mul(1 / (samples * dimension))
      const mean = total(({ trace }) => trace)
      return { mean, variance: total(({ squares }) => squares).sub(square(mean)) }
    },
  )
}

const over = (products: readonly SignProduct[], f: (product: SignProduct) => Tensor): Tensor =>
  products.map(f).reduce((a, b) => a.add(b))
