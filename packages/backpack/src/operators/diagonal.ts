/** @file The diagonal of an operator: exact where it is known, otherwise column by column or estimated. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { countedProducts, vectorsAtOnce } from './counted-products.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { demandSquare, unitVectors } from './operator-algebra.ts'
import { demandCount, demandSeed, randomVector } from './random-vectors.ts'

export interface DiagonalOptions extends ProductOptions {
  /**
   * 'exact': what the operator knows, or else a product for every column (at most `limit`); 'hutchinson': the mean of z ⊙ A z over
   * vectors z of random signs. Default: 'exact' where the diagonal is known, else 'hutchinson'.
   */
  readonly method?: 'exact' | 'hutchinson'
  /** Products of an estimate. Default: 32. */
  readonly matvecs?: number
  /** Default: 0. */
  readonly seed?: number
  /** More columns than this are not multiplied out. Default: 4,096. */
  readonly limit?: number
}

export interface DiagonalResult {
  readonly value: Float64Array
  /** Of every entry; left out where it is exact, or one product tells nothing of the spread. */
  readonly standardError?: Float64Array
  readonly method: 'exact' | 'hutchinson'
  /** Products that it took. */
  readonly matvecs: number
}

/**
 * The diagonal of a square operator. Throws `shape` for one that is not square, `value` for options that make no sense.
 *
 * Source of the estimate: Bekas, Kokiopoulou and Saad, "An estimator for the diagonal of a matrix", 2007.
 */
export async function diagonal(
  operator: LinearOperator,
  options: DiagonalOptions = {},
): Promise<DiagonalResult> {
  demandSquare('diagonal', operator)
  const { known } = operator
  const { method = known.diagonal ? 'exact' : 'hutchinson', signal, onProgress } = options
  if (method === 'exact') {
    if (known.diagonal === undefined) return columnByColumn(operator, options)
    return { value: await known.diagonal({ signal, onProgress }), method, matvecs: 0 }
  }
  if (method === 'hutchinson') return hutchinson(operator, options)
  throw new BeyondgradError('value', `diagonal: method is "exact" or "hutchinson", not "${String(method)}"`)
}

async function columnByColumn(operator: LinearOperator, options: DiagonalOptions): Promise<DiagonalResult> {
  const { limit = 4096 } = options
  const size = operator.shape[0]
  if (size > limit) {
    throw new BeyondgradError(
      'value',
      `diagonal: the exact diagonal of ${operator.name} takes ${size} products, and the limit is ${limit}; use the method "hutchinson", or allow more with { limit }`,
    )
  }
  const products = countedProducts('diagonal', operator, options, size)
  const value = new Float64Array(size)
  const atOnce = vectorsAtOnce(size)
  for (let from = 0; from < size; from += atOnce) {
    const found = await products.times(unitVectors(size, from, Math.min(size, from + atOnce)))
    found.forEach((column, k) => (value[from + k] = column[from + k]!))
  }
  return { value, method: 'exact', matvecs: products.count }
}

async function hutchinson(operator: LinearOperator, options: DiagonalOptions): Promise<DiagonalResult> {
  const { matvecs = 32, seed = 0 } = options
  demandCount('diagonal', 'matvecs', matvecs)
  demandSeed('diagonal', seed)
  const size = operator.shape[0]
  const products = countedProducts('diagonal', operator, options, matvecs)
  const [mean, spread] = [new Float64Array(size), new Float64Array(size)]
  const atOnce = vectorsAtOnce(size)
  for (let from = 0, n = 0; from < matvecs; from += atOnce) {
    const signs = Array.from({ length: Math.min(atOnce, matvecs - from) }, (_, k) =>
      randomVector('signs', size, { seed, stream: 'diagonal', number: from + k }),
    )
    for (const [k, column] of (await products.times(signs)).entries()) {
      n++
      // Welford's recurrence: sums of squares would cancel.
      for (let i = 0; i < size; i++) {
        const sample = signs[k]![i]! * column[i]!
        const before = sample - mean[i]!
        mean[i]! += before / n
        spread[i]! += before * (sample - mean[i]!)
      }
    }
  }
  const standardError = spread.map((sum) => Math.sqrt(sum / (matvecs - 1) / matvecs))
  return { value: mean, ...(matvecs > 1 && { standardError }), method: 'hutchinson', matvecs }
}
