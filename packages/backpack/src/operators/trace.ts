/**
 * @file The trace of an operator: exact where it is known, otherwise from products with random vectors – their mean (Hutchinson), with
 * the large part of the matrix taken out first (Hutch++), or that with every vector serving twice (XTrace).
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import { type CountedProducts, countedProducts, vectorsAtOnce } from './counted-products.ts'
import { diagonal } from './diagonal.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { demandSquare } from './operator-algebra.ts'
import { demandCount, demandSeed, randomVector, type TestDistribution } from './random-vectors.ts'
import { addScaled, dot, orthogonalize } from './vectors.ts'

export type TraceMethod = 'exact' | 'hutchinson' | 'hutch++' | 'xtrace'

export interface TraceOptions extends ProductOptions {
  /** Default: 'exact' where the trace is known, else 'xtrace'. 'exact' of others takes as many products as there are columns. */
  readonly method?: TraceMethod
  /**
   * Products that an estimate may take: its error falls with their root for 'hutchinson', with their number for the others, which hold
   * as many vectors. At least 1, 3 and 4. Default: 30.
   */
  readonly matvecs?: number
  /** Default: 0. */
  readonly seed?: number
  /** More columns than this are not multiplied out for 'exact'. Default: 4,096. */
  readonly limit?: number
}

export interface TraceResult {
  readonly value: number
  /** Estimated from the samples themselves; left out where the value is exact, or there are too few. */
  readonly standardError?: number
  readonly method: TraceMethod
  /** Products that it took. */
  readonly matvecs: number
}

/**
 * The trace of a square operator; estimates are unbiased. Throws `shape` for an operator that is not square, `value` for options that
 * make no sense, `data` where a product is not finite.
 *
 * Sources: Hutchinson, 1990; Meyer, Musco, Musco and Woodruff, "Hutch++", SOSA 2021; Epperly, Tropp and Webber, "XTrace", SIAM J.
 * Matrix Anal. Appl. 2024.
 */
export async function trace(operator: LinearOperator, options: TraceOptions = {}): Promise<TraceResult> {
  demandSquare('trace', operator)
  const { known, shape } = operator
  const { method = known.trace ? 'exact' : 'xtrace', matvecs = 30, seed = 0, signal, onProgress } = options
  if (method === 'exact') {
    if (known.trace) return { value: await known.trace({ signal, onProgress }), method, matvecs: 0 }
    const { value, matvecs: taken } = await diagonal(operator, { ...options, method: 'exact' })
    return { value: value.reduce((a, b) => a + b, 0), method, matvecs: taken }
  }
  const estimator = Object.hasOwn(estimators, method) ? estimators[method] : undefined
  if (estimator === undefined) {
    throw new BeyondgradError(
      'value',
      `trace: method is "exact", "hutchinson", "hutch++" or "xtrace", not "${String(method)}"`,
    )
  }
  demandSeed('trace', seed)
  demandCount(`trace (${method})`, 'matvecs', matvecs, estimator.least)
  if (shape[0] === 0) return { value: 0, method: 'exact', matvecs: 0 }
  const products = countedProducts('trace', operator, options, matvecs)
  const draw = (distribution: TestDistribution, stream: string, count: number): Float64Array[] =>
    Array.from({ length: count }, (_, number) =>
      randomVector(distribution, shape[0], { seed, stream: `trace ${stream}`, number }),
    )
  const found = await estimator.estimate(products, { size: shape[0], matvecs, seed, draw })
  return { ...found, method, matvecs: products.count }
}

interface Circumstances {
  readonly size: number
  readonly matvecs: number
  readonly seed: number
  readonly draw: (distribution: TestDistribution, stream: string, count: number) => Float64Array[]
}

type Estimate = Pick<TraceResult, 'value' | 'standardError'>

interface Estimator {
  /** Fewer products than this are too few. */
  readonly least: number
  readonly estimate: (products: CountedProducts, at: Circumstances) => Promise<Estimate>
}

const estimators: Readonly<Record<Exclude<TraceMethod, 'exact'>, Estimator>> = {
  hutchinson: { least: 1, estimate: hutchinson },
  'hutch++': { least: 3, estimate: hutchPlusPlus },
  xtrace: { least: 4, estimate: xtrace },
}

/** Mean, and its standard error where there are two samples or more. */
function meanOf(samples: readonly number[]): Estimate {
  const count = samples.length
  const value = samples.reduce((a, b) => a + b, 0) / count
  if (count < 2) return { value }
  const spread = samples.reduce((sum, sample) => sum + (sample - value) ** 2, 0)
  return { value, standardError: Math.sqrt(spread / (count - 1) / count) }
}

async function hutchinson(
  products: CountedProducts,
  { size, matvecs, seed }: Circumstances,
): Promise<Estimate> {
  const samples: number[] = []
  while (samples.length < matvecs) {
    const signs = Array.from({ length: Math.min(vectorsAtOnce(size), matvecs - samples.length) }, (_, k) =>
      randomVector('signs', size, { seed, stream: 'trace hutchinson', number: samples.length + k }),
    )
    const found = await products.times(signs)
    samples.push(...found.map((column, k) => dot(signs[k]!, column)))
  }
  return meanOf(samples)
}

/** x without its part in the span of an orthonormal basis. */
function without(basis: readonly Float64Array[], x: Float64Array): Float64Array {
  const rest = x.slice()
  for (const direction of basis) addScaled(rest, -dot(direction, x), direction)
  return rest
}

/** tr A = tr Qᵀ A Q + tr (I − QQᵀ) A (I − QQᵀ): the first exactly, for Q spanning A S, the second by Hutchinson's mean. */
async function hutchPlusPlus(
  products: CountedProducts,
  { size, matvecs, draw }: Circumstances,
): Promise<Estimate> {
  const third = Math.floor(matvecs / 3)
  const { basis } = orthogonalize(await products.times(draw('signs', 'hutch++ span', Math.min(third, size))))
  const images = await products.times(basis)
  const large = basis.reduce((sum, direction, i) => sum + dot(direction, images[i]!), 0)
  // All of the space is spanned, or all of the matrix is zero.
  if (basis.length === size) return { value: large }
  const rest = draw('signs', 'hutch++', third).map((signs) => without(basis, signs))
  const found = await products.times(rest)
  const { value, standardError } = meanOf(found.map((column, i) => dot(rest[i]!, column)))
  return { value: large + value, ...(standardError !== undefined && { standardError }) }
}

/**
 * Hutch++ with one vector for the remainder and all others for the span, averaged over which vector that is: with Y = A Ω = Q R, leaving
 * out vector i leaves Q (I − sᵢ sᵢᵀ) Qᵀ, sᵢ being row i of R⁻¹, normalised. Remainders are scaled for their length (Section 2.3 there).
 */
async function xtrace(products: CountedProducts, { size, matvecs, draw }: Circumstances): Promise<Estimate> {
  const count = Math.min(Math.floor(matvecs / 2), size)
  const tests = draw('normal', 'xtrace', count)
  const { basis, coefficients } = orthogonalize(await products.times(tests))
  const rank = basis.length
  if (rank === 0) return { value: 0, standardError: 0 }
  const images = await products.times(basis)
  const core = basis.map((direction) => images.map((image) => dot(direction, image)))
  const whole = core.reduce((sum, row, i) => sum + row[i]!, 0)
  // Where the span is smaller than the number of vectors, the others span it without any one of them.
  const left = rank === count ? rowsOfInverse(coefficients) : undefined
  const dimensions = size - (left === undefined ? rank : rank - 1)
  const samples = tests.map((test, i) => {
    const s = left?.[i]
    const inBasis = basis.map((direction) => dot(direction, test))
    const along = s === undefined ? 0 : s.reduce((sum, value, j) => sum + value * inBasis[j]!, 0)
    const rest = test.slice()
    const image = new Float64Array(size)
    // A times the rest: A ω = Q R column i, less A Q x.
    basis.forEach((direction, j) => addScaled(image, coefficients[i]![j]!, direction))
    inBasis.forEach((value, j) => {
      const x = value - (s === undefined ? 0 : s[j]! * along)
      addScaled(rest, -x, basis[j]!)
      addScaled(image, -x, images[j]!)
    })
    const length = dot(rest, rest)
    const remainder = dimensions > 0 && length > 0 ? (dot(rest, image) * dimensions) / length : 0
    const leftOut = s === undefined ? 0 : quadraticForm(core, s)
    return whole - leftOut + remainder
  })
  return meanOf(samples)
}

const quadraticForm = (matrix: readonly (readonly number[])[], x: readonly number[]): number =>
  matrix.reduce((sum, row, i) => sum + x[i]! * row.reduce((a, value, j) => a + value * x[j]!, 0), 0)

/** The rows of R⁻¹, of length 1, for the upper triangular R whose columns are given. */
function rowsOfInverse(columns: readonly Float64Array[]): number[][] {
  const size = columns.length
  const entry = (i: number, j: number): number => columns[j]![i]!
  return Array.from({ length: size }, (_, i) => {
    // Row i of R⁻¹ solves xᵀ R = eᵢᵀ, from the left.
    const row = Array<number>(size).fill(0)
    for (let j = i; j < size; j++) {
      let sum = j === i ? 1 : 0
      for (let k = i; k < j; k++) sum -= row[k]! * entry(k, j)
      row[j] = sum / entry(j, j)
    }
    const length = Math.hypot(...row)
    return row.map((value) => value / length)
  })
}
