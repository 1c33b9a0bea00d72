/**
 * @file The log marginal likelihood of a Laplace approximation, log p(D) ≈ log p(D | θ) + log p(θ) + P/2 log 2π − ½ log det of the
 * posterior precision (MacKay, "The evidence framework applied to classification networks", 1992), and the prior precision that makes it largest.
 */
import { BeyondgradError } from '@beyondgrad/tensor'

/** What the evidence looks at of one parameter. */
export interface EvidencePart {
  /** Eigenvalues of the likelihood's curvature, 1 / σ² included. */
  readonly curvature: Float64Array
  /** ‖θ‖². */
  readonly squaredNorm: number
}

/** What a parameter adds to the evidence beside the log-likelihood, at prior precision τ; the 2π of prior and posterior cancel. */
export function evidenceOf({ curvature, squaredNorm }: EvidencePart, precision: number): number {
  const determinant = curvature.reduce((sum, h) => sum + Math.log1p(h / precision), 0)
  return -0.5 * (precision * squaredNorm + determinant)
}

/**
 * The τ that all parts share and that maximises their evidence, with the network fixed. With s = log τ the derivative
 * ½ Σ h / (h + τ) − ½ τ ‖θ‖² falls as s rises, so that there is one maximum: bracketed, then halved. Throws `value` where there is none.
 *
 * @param what for messages
 */
export function bestPrecision(parts: readonly EvidencePart[], what: string): number {
  const norm = parts.reduce((sum, part) => sum + part.squaredNorm, 0)
  const isFlat = parts.every(({ curvature }) => curvature.every((h) => h === 0))
  if (!(norm > 0) || isFlat) {
    throw new BeyondgradError(
      'value',
      `laplace: the evidence of ${what} has no maximum, since ${isFlat ? 'the data say nothing about it' : 'all of it is zero'}; give its prior precision`,
    )
  }
  const slope = (s: number): number => {
    const precision = Math.exp(s)
    const effective = parts.reduce(
      (sum, { curvature }) => sum + curvature.reduce((count, h) => count + h / (h + precision), 0),
      0,
    )
    return effective - precision * norm
  }
  const count = parts.reduce((sum, { curvature }) => sum + curvature.length, 0)
  // At most `count` directions are determined: above this the slope is negative.
  let high = Math.log(count / norm)
  let low = high - 1
  while (slope(low) < 0) low -= 2 * (high - low)
  for (let i = 0; i < 200 && high - low > 1e-12 * Math.max(1, Math.abs(high)); i++) {
    const middle = (low + high) / 2
    if (slope(middle) > 0) low = middle
    else high = middle
  }
  return Math.exp((low + high) / 2)
}
