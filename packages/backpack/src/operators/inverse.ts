/** @file The inverse of an operator, as an operator whose products solve linear systems. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { conjugateGradients } from './conjugate-gradients.ts'
import { countedProducts } from './counted-products.ts'
import { defineLinearOperator, type LinearOperator, type ProductOptions } from './linear-operator.ts'
import { neumannScale, neumannSeries } from './neumann.ts'
import { demandSquare } from './operator-algebra.ts'
import { demandCount } from './random-vectors.ts'
import type { Solution } from './solve.ts'
import { addScaled, norm } from './vectors.ts'

export interface InverseOptions {
  /**
   * 'exact': by what the operator knows of itself (Kronecker and diagonal ones, damped or not); 'cg': conjugate gradients; 'neumann':
   * the Neumann series. Default: 'exact' where that is known, else 'cg'. The latter two need a symmetric positive definite operator.
   */
  readonly method?: 'exact' | 'cg' | 'neumann'
  /** For 'cg': an operator that approximates the inverse, symmetric positive definite, such as the inverse of a Kronecker operator. */
  readonly preconditioner?: LinearOperator
  /** The relative residual ‖b − A x‖ / ‖b‖ that solutions have at most. Default: 1e-5. */
  readonly tolerance?: number
  /** More products than this for one solution are refused. Default: ten times the dimensions, at least 100 and at most 1,000. */
  readonly maxIterations?: number
  /** For 'neumann': α in α Σₖ (I − αA)ᵏ; the series converges for 0 < α < 2 / the largest eigenvalue. Default: 1 / that, by Lanczos. */
  readonly scale?: number
  /** For 'neumann': so many terms whatever residual they leave, instead of a tolerance. */
  readonly terms?: number
}

/** An inverse; `matvec` is the solution of `solve`. */
export interface InverseOperator extends LinearOperator {
  /** The solution of A x = b with its residual. Throws `no-solution` where there is none, or none is found. */
  solve(vector: ArrayLike<number>, options?: ProductOptions): Promise<Solution>
}

const methods: readonly unknown[] = ['exact', 'cg', 'neumann']

/**
 * The inverse of a square operator. Throws `shape` for one that is not square, `unsupported` for a method that it does not allow,
 * `value` for options that make no sense; products throw `no-solution` where the operator is not positive definite or the method does not
 * converge.
 */
export function inverse(operator: LinearOperator, options: InverseOptions = {}): InverseOperator {
  demandSquare('inverse', operator)
  const { known, name, shape, layout } = operator
  const { method = known.inverse ? 'exact' : 'cg' } = options
  if (!methods.includes(method)) {
    throw new BeyondgradError(
      'value',
      `inverse: method is "exact", "cg" or "neumann", not "${String(method)}"`,
    )
  }
  if (method === 'exact') return exactInverse(operator)
  if (!operator.symmetric) {
    throw new BeyondgradError(
      'unsupported',
      `inverse (${method}): ${name} must be symmetric, and is not said to be`,
    )
  }
  const solveMany = method === 'cg' ? byConjugateGradients(operator, options) : byNeumann(operator, options)
  const isExactOperation = method === 'neumann' && options.terms !== undefined
  const inverted = defineLinearOperator({
    name: `inverse of ${name}`,
    shape,
    layout,
    // A truncated series is symmetric exactly, solutions up to their residual.
    symmetric: true,
    matvec: async (vector, product) => (await solveMany([vector], product))[0]!.solution,
    matmat: async (vectors, product) => (await solveMany(vectors, product)).map(({ solution }) => solution),
    ...(!isExactOperation && { known: { inverse: () => operator } }),
  })
  return withSolve(inverted, async (vector, product) => (await solveMany([vector], product))[0]!)
}

function withSolve(
  inverted: LinearOperator,
  solve: (vector: Float64Array, options: ProductOptions) => Promise<Solution>,
): InverseOperator {
  // The checks of a product are those of a solution.
  const checked = defineLinearOperator({ ...inverted, matvec: (vector) => vector })
  return {
    ...inverted,
    solve: async (vector, options = {}) => solve(await checked.matvec(vector), options),
  }
}

function exactInverse(operator: LinearOperator): InverseOperator {
  const { known, name } = operator
  if (known.inverse === undefined) {
    throw new BeyondgradError(
      'unsupported',
      `inverse: that of ${name} is not known exactly; use the method "cg", or a Kronecker or diagonal operator`,
    )
  }
  const inverted = known.inverse()
  return withSolve(inverted, async (vector, options) => {
    const solution = await inverted.matvec(vector, options)
    const [image] = await countedProducts('inverse', operator, { signal: options.signal }).times([solution])
    const rest = vector.slice()
    addScaled(rest, -1, image!)
    return { solution, iterations: 0, residual: norm(rest) / (norm(vector) || 1) }
  })
}

type SolveMany = (vectors: readonly Float64Array[], options: ProductOptions) => Promise<Solution[]>

function limitsOf(
  method: string,
  { shape }: LinearOperator,
  options: InverseOptions,
): { readonly tolerance: number; readonly maxIterations: number } {
  const { tolerance = 1e-5, maxIterations = Math.max(100, Math.min(1000, 10 * shape[0])) } = options
  if (!(tolerance > 0 && tolerance < 1)) {
    throw new BeyondgradError(
      'value',
      `inverse (${method}): tolerance must be between 0 and 1, not ${tolerance}`,
    )
  }
  demandCount(`inverse (${method})`, 'maxIterations', maxIterations)
  return { tolerance, maxIterations }
}

function byConjugateGradients(operator: LinearOperator, options: InverseOptions): SolveMany {
  const { preconditioner } = options
  const limits = limitsOf('cg', operator, options)
  if (preconditioner !== undefined && preconditioner.shape.some((size) => size !== operator.shape[0])) {
    throw new BeyondgradError(
      'shape',
      `inverse (cg): the preconditioner is [${preconditioner.shape.join(', ')}], ${operator.name} [${operator.shape.join(', ')}]`,
    )
  }
  return (vectors, product) => conjugateGradients(operator, vectors, { ...limits, preconditioner }, product)
}

function byNeumann(operator: LinearOperator, options: InverseOptions): SolveMany {
  const { scale, terms } = options
  const limits = limitsOf('neumann', operator, options)
  if (terms !== undefined) demandCount('inverse (neumann)', 'terms', terms)
  if (scale !== undefined && !(scale > 0 && scale < Infinity)) {
    throw new BeyondgradError('value', `inverse (neumann): scale must be a positive number, not ${scale}`)
  }
  let estimated: number | undefined
  return async (vectors, product) => {
    estimated ??= scale ?? (await neumannScale(operator, product))
    return neumannSeries(operator, vectors, { ...limits, scale: estimated, terms }, product)
  }
}
