/** @file Kronecker-factored approximations of the generalised Gauss-Newton blocks. */
import {
  averagedFlow,
  defineExtension,
  type Extension,
  ggnFlow,
  type KroneckerFactors,
  type KroneckerMode,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError } from '@beyondgrad/tensor'
import { checkSamples, type MonteCarloOptions } from './monte-carlo.ts'

export interface KroneckerOptions {
  /**
   * What becomes of positions that share a weight (pixels, tokens, time steps): 'expand' (default) treats them as if they
   * were samples, 'reduce' sums columns and averages inputs over them first, 'backpack' gives BackPACK's numbers.
   */
  readonly mode?: KroneckerMode
}

const modes: readonly string[] = ['expand', 'reduce', 'backpack']

/** Throws `value` for a mode that is none. */
export function checkMode(name: string, mode: string): void {
  if (modes.includes(mode)) return
  throw new BeyondgradError('value', `${name}: mode is "expand", "reduce" or "backpack", not "${mode}"`)
}

/** The factors combine, not their product: B holds all of the loss's scale, A is a mean. */
export const combined = {
  degree: { output: 1, input: 0 },
  merge: { output: 'sum', input: 'mean' },
} as const

/**
 * Kronecker-factored approximate curvature: for each weight `{ output: B [O, O], input: A [I, I] }` with B ⊗ A ≈ the GGN
 * block of the row-major weight [O, I], for biases and scales `{ output }`, the estimated block itself. Columns are drawn
 * from the model's own distribution.
 *
 * Source: Martens and Grosse, ICML 2015; modes: Eschenhagen et al., NeurIPS 2023.
 */
export function KFAC(
  options: KroneckerOptions & MonteCarloOptions = {},
): Extension<ParameterMap<KroneckerFactors>> {
  const { mode = 'expand', samples = 1, seed = 0 } = options
  checkMode('KFAC', mode)
  checkSamples('KFAC', samples)
  return defineExtension({
    name: 'kfac',
    options: { mode, samples, seed },
    flow: ggnFlow({ samples, seed }),
    ...combined,
    parameter: ({ contribution }) => contribution.kroneckerFactors(mode),
  })
}

/**
 * Kronecker factors from the exact columns of the loss's Hessian; shapes as `KFAC`. For one sample and one position
 * B ⊗ A is the GGN block.
 *
 * Source: Botev, Ritter and Barber, "Practical Gauss-Newton optimisation for deep learning", ICML 2017.
 */
export function KFLR(options: KroneckerOptions = {}): Extension<ParameterMap<KroneckerFactors>> {
  const { mode = 'expand' } = options
  checkMode('KFLR', mode)
  return defineExtension({
    name: 'kflr',
    options: { mode },
    flow: ggnFlow(),
    ...combined,
    parameter: ({ contribution }) => contribution.kroneckerFactors(mode),
  })
}

/**
 * Kronecker factors from one matrix of curvature that is averaged over the batch at every op; shapes as `KFAC`. For chains of
 * layers only, and with memory for the square of the features: `KFLR` has neither limit. The average of the whole is not that of
 * its parts, so that it has no `merge`: `accumulate` refuses it.
 *
 * Source: Botev, Ritter and Barber, "Practical Gauss-Newton optimisation for deep learning", ICML 2017, Section 4.
 */
export function KFRA(options: KroneckerOptions = {}): Extension<ParameterMap<KroneckerFactors>> {
  const { mode = 'expand' } = options
  checkMode('KFRA', mode)
  return defineExtension({
    name: 'kfra',
    options: { mode },
    degree: combined.degree,
    flow: averagedFlow(),
    parameter: ({ contribution }) => contribution.kroneckerFactors(mode),
  })
}
