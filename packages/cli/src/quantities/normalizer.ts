/** @file What a loss divides the sum of its terms by. */

/** What was divided by; a count comes out whole, though its reciprocal was rounded. */
export function divisorOf(factor: number): number {
  const divisor = 1 / factor
  const whole = Math.round(divisor)
  return Math.abs(divisor - whole) < 1e-6 * divisor ? whole : divisor
}
