/**
 * @file Numbers as functions of the sizes of free axes. A number that was seen at several sizes is explained by the
 * simplest function that gives all of them: more sizes are tried than the function has coefficients, so that chance
 * cannot explain anything.
 */

/** constant + factor · Π sizes[i] ^ powers[i], or one over that. */
export interface Formula {
  readonly constant: number
  readonly factor: number
  readonly powers: readonly number[]
  readonly reciprocal: boolean
}

/** How exact a number is: an integer, or of a precision. */
export type Exactness = 'integer' | 'single' | 'double'

const tolerances = { integer: 0, single: 2 ** -22, double: 2 ** -48 }

/** Tried in this order: by how often they occur in derivatives. */
const exponents = [0, 1, -1, 2, -2, 0.5, -0.5]

export function isConstant({ factor }: Formula): boolean {
  return factor === 0
}

/**
 * The simplest formula that gives `values[i]` at the sizes `points[i]`.
 *
 * @param values [points]
 * @param points [points, axes]
 * @returns undefined if there is none
 */
export function explain(
  values: readonly number[],
  points: readonly (readonly number[])[],
  exactness: Exactness,
): Formula | undefined {
  const axes = points[0]!.length
  const [first] = values
  if (values.every((value) => Object.is(value, first))) {
    return { constant: first!, factor: 0, powers: new Array<number>(axes).fill(0), reciprocal: false }
  }
  if (!values.every(Number.isFinite)) return undefined
  for (const powers of candidates(axes, exactness)) {
    const monomials = points.map((sizes) => monomial(sizes, powers))
    const found =
      proportional(values, monomials, powers, exactness) ?? affine(values, monomials, powers, exactness)
    if (found !== undefined) return found
  }
  if (exactness === 'integer' || values.includes(0)) return undefined
  // Such as 1 / (N - 1).
  const inverses = values.map((value) => 1 / value)
  for (const powers of candidates(axes, 'integer')) {
    const monomials = points.map((sizes) => monomial(sizes, powers))
    const found = affine(inverses, monomials, powers, exactness)
    if (found !== undefined) return { ...found, reciprocal: true }
  }
  return undefined
}

export function valueOf({ constant, factor, powers, reciprocal }: Formula, sizes: readonly number[]): number {
  const value = constant + (factor === 0 ? 0 : factor * monomial(sizes, powers))
  return reciprocal ? 1 / value : value
}

/** The formula as text, such as `2*N + 1`. */
export function formatFormula({ constant, factor, powers }: Formula, names: readonly string[]): string {
  const factors = powers.flatMap((power, i) => new Array<string>(power).fill(names[i]!))
  const product = [...(factor === 1 ? [] : [String(factor)]), ...factors].join('*')
  if (constant === 0) return product
  return `${product} ${constant < 0 ? '-' : '+'} ${Math.abs(constant)}`
}

export function sameFormula(a: Formula, b: Formula): boolean {
  return (
    Object.is(a.constant, b.constant) &&
    a.factor === b.factor &&
    a.reciprocal === b.reciprocal &&
    (a.factor === 0 || a.powers.every((power, i) => power === b.powers[i]))
  )
}

function monomial(sizes: readonly number[], powers: readonly number[]): number {
  return sizes.reduce((product, size, i) => product * size ** powers[i]!, 1)
}

/** All powers of all axes, the simplest first; at most two axes at once. */
function candidates(axes: number, exactness: Exactness): number[][] {
  const allowed = exactness === 'integer' ? exponents.filter((e) => e >= 0 && Number.isInteger(e)) : exponents
  let all: number[][] = [[]]
  for (let axis = 0; axis < axes; axis++) all = all.flatMap((powers) => allowed.map((e) => [...powers, e]))
  const cost = (powers: readonly number[]): number =>
    powers.reduce((sum, power) => sum + exponents.indexOf(power), 0)
  return all
    .filter((powers) => {
      const used = powers.filter((power) => power !== 0).length
      return used === 1 || used === 2
    })
    .sort((a, b) => cost(a) - cost(b))
}

function proportional(
  values: readonly number[],
  monomials: readonly number[],
  powers: readonly number[],
  exactness: Exactness,
): Formula | undefined {
  const factor = values[0]! / monomials[0]!
  const simple = rounded(factor, 4 * tolerances[exactness] * Math.abs(factor))
  return checked({ constant: 0, factor: simple, powers, reciprocal: false }, values, monomials, exactness)
}

function affine(
  values: readonly number[],
  monomials: readonly number[],
  powers: readonly number[],
  exactness: Exactness,
): Formula | undefined {
  // The longest lever is the most exact one.
  const low = monomials.indexOf(Math.min(...monomials))
  const high = monomials.indexOf(Math.max(...monomials))
  const run = monomials[high]! - monomials[low]!
  if (run === 0) return undefined
  const slope = (values[high]! - values[low]!) / run
  const error = 4 * tolerances[exactness] * Math.max(...values.map(Math.abs))
  const factor = rounded(slope, error / run)
  const constant = rounded(
    values[low]! - factor * monomials[low]!,
    error + (error / run) * Math.abs(monomials[low]!),
  )
  return checked({ constant, factor, powers, reciprocal: false }, values, monomials, exactness)
}

function checked(
  formula: Formula,
  values: readonly number[],
  monomials: readonly number[],
  exactness: Exactness,
): Formula | undefined {
  const { constant, factor } = formula
  if (factor === 0 || !Number.isFinite(factor) || !Number.isFinite(constant)) return undefined
  if (exactness === 'integer' && !(Number.isInteger(factor) && Number.isInteger(constant))) return undefined
  const fits = values.every((value, i) => {
    const error = Math.abs(constant + factor * monomials[i]! - value)
    return error <= tolerances[exactness] * Math.max(Math.abs(value), Math.abs(constant))
  })
  return fits ? formula : undefined
}

/** A simple fraction within `error`, since 1/5 in single precision times 5 is not quite 1. */
function rounded(x: number, error: number): number {
  for (let denominator = 1; denominator <= 64; denominator++) {
    const fraction = Math.round(x * denominator) / denominator
    if (Math.abs(fraction - x) <= error) return fraction
  }
  return x
}
