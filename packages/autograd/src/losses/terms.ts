/** @file What all losses ask of their arguments: a reduction, samples on axis 0, shapes that fit, weights that are none below zero. */
import {
  BeyondgradError,
  expand,
  formatShape,
  guard,
  reshape,
  sameShape,
  type Shape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import type { LossTerms, Reduction } from '../loss.ts'

export interface LossOptions {
  /** Default: "mean", over all terms; with weights, their sum is what it divides by. */
  readonly reduction?: Reduction | undefined
  /**
   * What each term is multiplied with: [N] for whole samples, or in the shape of the terms. None may be negative; a weight
   * of 0 leaves a term out.
   */
  readonly sampleWeight?: Tensor | undefined
}

export function checkReduction(
  name: string,
  reduction: string,
  allowed: readonly string[] = ['mean', 'sum'],
): void {
  if (allowed.includes(reduction)) return
  const known = allowed.map((each) => `"${each}"`)
  throw new BeyondgradError(
    'value',
    `${name}: reduction is ${known.slice(0, -1).join(', ')} or ${known.at(-1)}, not "${reduction}"`,
  )
}

export function checkSamples(name: string, output: Tensor): void {
  if (output.dtype !== 'float32') {
    throw new BeyondgradError('dtype', `${name}: the output must be float32, not ${String(output.dtype)}`)
  }
  if (output.shape.length === 0) {
    throw new BeyondgradError(
      'shape',
      `${name}: the output is a single number; it must have an axis of samples, [N, ...]`,
    )
  }
  if (sizeOf(output.shape) === 0) {
    throw new BeyondgradError(
      'shape',
      `${name}: the output has shape ${formatShape(output.shape)}: an empty batch has no loss; skip it`,
    )
  }
}

export function checkAlike(name: string, output: Tensor, target: Tensor, what = 'target'): void {
  if (sameShape(output.shape, target.shape) && target.dtype === output.dtype) return
  throw new BeyondgradError(
    'shape',
    `${name}: output and ${what} must have the same shape and dtype, got ${output.dtype} ${formatShape(output.shape)} and ${target.dtype} ${formatShape(target.shape)}`,
  )
}

/** Throws unless a size such as the threshold of a Huber loss is a positive number. */
export function checkPositive(name: string, what: string, value: number): void {
  if (value > 0 && value < Infinity) return
  throw new BeyondgradError('value', `${name}: ${what} must be a positive number, not ${value}`)
}

/** x, provided that no element of `of` is negative when it runs. */
export function notNegative(x: Tensor, of: Tensor, what: string): Tensor {
  return guard(x, of, { kind: 'not-negative', what })
}

/** A number, provided that it is above zero when it runs: a mean over nothing is refused, rather than 0 / 0. */
export function positive(x: Tensor, what: string): Tensor {
  return guard(x, x, { kind: 'positive', what })
}

/** The weights of samples or of single terms, in the shape of the terms. */
export function spreadWeight(name: string, weight: Tensor, terms: Shape): Tensor {
  const { shape } = weight
  const fits = weight.dtype === 'float32' && shape.length > 0 && shape.length <= terms.length
  if (!fits || shape.some((size, axis) => size !== terms[axis])) {
    throw new BeyondgradError(
      'shape',
      `${name}: sampleWeight must be float32 of shape ${formatShape([terms[0]!])} or ${formatShape(terms)}, one for each sample or each term, not ${String(weight.dtype)} ${formatShape(shape)}`,
    )
  }
  const checked = notNegative(weight, weight, `${name}: sampleWeight`)
  if (shape.length === terms.length) return checked
  return expand(reshape(checked, [...shape, ...terms.slice(shape.length).map(() => 1)]), terms)
}

/** Reduction and weights of a loss whose terms have the given shape. */
export function termsOf(
  name: string,
  { reduction = 'mean', sampleWeight }: LossOptions,
  shape: Shape,
): LossTerms {
  checkReduction(name, reduction)
  if (sampleWeight === undefined) return { reduction }
  const weight = spreadWeight(name, sampleWeight, shape)
  return { reduction, weight, ...(reduction === 'mean' && { divisor: total(name, weight) }) }
}

/** The sum of the weights, which must not be zero. */
export function total(name: string, weight: Tensor): Tensor {
  return positive(weight.sum(), `${name}: the sum of the weights (is every sample left out?)`)
}
