/** @file What quantities that draw from the model's own distribution have in common. */
import { BeyondgradError } from '@beyondgrad/tensor'

export interface MonteCarloOptions {
  /** Columns a sample; the error falls with its root. Default: 1. */
  readonly samples?: number
  /** Draws are a function of seed, step, sample and column. Default: 0. */
  readonly seed?: number
}

/** Throws `value` for a number of samples that is none. */
export function checkSamples(name: string, samples: number): void {
  if (Number.isInteger(samples) && samples >= 1) return
  throw new BeyondgradError('value', `${name}: samples must be a positive integer, not ${samples}`)
}
