/** @file Which eigenvalues directions are wanted of. */
import { BeyondgradError } from '@beyondgrad/tensor'

/**
 * The k largest eigenvalues, those above a fraction of the largest, or those that a function chooses by their places among all
 * (ascending). Whatever is chosen, eigenvalues within rounding of zero have no direction: the first two forms leave them out.
 */
export type Criterion =
  { readonly top: number } | { readonly above: number } | ((eigenvalues: Float64Array) => readonly number[])

/** Places among the eigenvalues, ascending. Throws `value` for a choice that is none. */
export function choose(criterion: Criterion, eigenvalues: Float64Array, noise: number): readonly number[] {
  const places = [...eigenvalues.keys()]
  if (typeof criterion === 'function') {
    const chosen = [...new Set(criterion(eigenvalues.slice()))].sort((a, b) => a - b)
    for (const place of chosen) {
      const value = eigenvalues[place]
      if (value === undefined) {
        throw new BeyondgradError(
          'value',
          `criterion: there is no eigenvalue ${place} among ${eigenvalues.length}; give places from 0`,
        )
      }
      if (value <= noise) {
        throw new BeyondgradError(
          'value',
          `criterion: eigenvalue ${place} is ${value}, which is zero within rounding (${noise.toPrecision(2)}), so that its direction is arbitrary; choose larger ones`,
        )
      }
    }
    return chosen
  }
  const found = places.filter((place) => eigenvalues[place]! > noise)
  if ('top' in criterion) {
    const { top } = criterion
    if (!Number.isInteger(top) || top < 0) {
      throw new BeyondgradError('value', `criterion: top must be a number of eigenvalues from 0, not ${top}`)
    }
    return top === 0 ? [] : found.slice(-top)
  }
  const { above } = criterion
  if (!(above >= 0)) {
    throw new BeyondgradError('value', `criterion: above must be a fraction from 0 to 1, not ${above}`)
  }
  const least = above * (eigenvalues.at(-1) ?? 0)
  return found.filter((place) => eigenvalues[place]! >= least)
}
