/** @file Random vectors for estimates: functions of seed, use and number alone. */
import { BeyondgradError, fillRandom } from '@beyondgrad/tensor'

/** Random signs, or standard normal numbers. */
export type TestDistribution = 'signs' | 'normal'

/** The vector of a number. @param stream tells apart the uses of one seed */
export function randomVector(
  distribution: TestDistribution,
  size: number,
  { seed, stream, number }: { readonly seed: number; readonly stream: string; readonly number: number },
): Float64Array {
  const vector = new Float64Array(size)
  const kind = distribution === 'normal' ? 'normal' : 'uniform'
  fillRandom({ distribution: kind, seed, stream: `${stream} ${number}` }, 0, 1, 1, size, vector)
  if (distribution === 'signs') for (let i = 0; i < size; i++) vector[i] = vector[i]! < 0.5 ? -1 : 1
  return vector
}

/** Throws `value` for what is no seed, as `random` does. */
export function demandSeed(what: string, seed: number): void {
  if (Number.isInteger(seed) && Math.abs(seed) < 2 ** 32) return
  throw new BeyondgradError('value', `${what}: the seed must be an integer of at most 32 bits, not ${seed}`)
}

export function demandCount(what: string, name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return
  throw new BeyondgradError('value', `${what}: ${name} must be an integer of at least ${least}, not ${value}`)
}
