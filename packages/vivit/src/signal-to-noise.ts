/** @file How much of what samples say along a direction is agreement, and how much is noise. */
import type { DirectionValues } from './directions.ts'

/**
 * The squared mean over the samples divided by their variance (divisor N − 1), for every direction: K numbers. Infinite where all
 * samples agree, NaN for a single sample or where all say zero.
 *
 * Source: Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, Section 4.2.
 *
 * @param derivatives [N, K], such as `gammas` or `lambdas`
 */
export function signalToNoise({ shape, data }: DirectionValues): Float64Array {
  const [samples, count] = shape as readonly [number, number]
  return Float64Array.from({ length: count }, (_, k) => {
    const values = Array.from({ length: samples }, (__, n) => data[n * count + k]!)
    const mean = values.reduce((a, b) => a + b, 0) / samples
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (samples - 1)
    return mean ** 2 / variance
  })
}
