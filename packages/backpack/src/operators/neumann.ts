/** @file The Neumann series A⁻¹ = α Σₖ (I − αA)ᵏ, term by term. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { countedProducts } from './counted-products.ts'
import { lanczos } from './lanczos.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { randomVector } from './random-vectors.ts'
import { notConverged, type Solution } from './solve.ts'
import { addScaled, norm } from './vectors.ts'

export interface NeumannOptions {
  readonly tolerance: number
  readonly maxIterations: number
  /** α, between 0 and 2 / the largest eigenvalue. */
  readonly scale: number
  /** So many terms whatever is left, instead of a tolerance. */
  readonly terms: number | undefined
}

/** Products for the estimate of the largest eigenvalue. */
const lanczosSteps = 20

/** 1 / the largest eigenvalue, which Lanczos finds from below: half of what the series allows. */
export async function neumannScale(operator: LinearOperator, options: ProductOptions): Promise<number> {
  const size = operator.shape[0]
  const products = countedProducts('inverse (neumann)', operator, { signal: options.signal })
  const start = randomVector('signs', size, { seed: 0, stream: 'neumann', number: 0 })
  const { nodes } = await lanczos(products, start, lanczosSteps)
  if (nodes[0]! > 0) return 1 / nodes.at(-1)!
  throw new BeyondgradError(
    'no-solution',
    `inverse (neumann): ${operator.name} is not positive definite: an eigenvalue is at most ${nodes[0]!.toPrecision(3)}; damp it first, with damped()`,
  )
}

export async function neumannSeries(
  operator: LinearOperator,
  rightSides: readonly Float64Array[],
  { tolerance, maxIterations, scale, terms }: NeumannOptions,
  options: ProductOptions,
): Promise<Solution[]> {
  const most = terms ?? maxIterations
  const products = countedProducts('inverse (neumann)', operator, options, terms)
  const columns = rightSides.map((right) => ({
    right,
    size: norm(right),
    solution: right.map((value) => scale * value),
    iterations: 0,
    residual: norm(right) === 0 ? 0 : 1,
    finished: norm(right) === 0,
  }))
  for (;;) {
    const some = columns.filter(({ finished }) => !finished)
    if (some.length === 0) break
    const images = await products.times(some.map(({ solution }) => solution))
    some.forEach((column, i) => {
      const rest = column.right.slice()
      addScaled(rest, -1, images[i]!)
      const before = column.residual
      column.residual = norm(rest) / column.size
      column.iterations++
      // Every eigenvector's part shrinks at each step, or the condition is not met; apart from rounding.
      if (column.residual > before * (1 + 1e-3) && column.residual > tolerance) {
        throw new BeyondgradError(
          'no-solution',
          `inverse (neumann): the series diverges: the relative residual grew from ${before.toPrecision(3)} to ${column.residual.toPrecision(3)}; it converges for positive definite matrices and 0 < scale < 2 / the largest eigenvalue, and the scale is ${scale.toPrecision(3)}`,
        )
      }
      column.finished = terms === undefined ? column.residual <= tolerance : column.iterations >= terms
      if (column.finished) return
      if (column.iterations >= most) {
        const advice = 'allow more with maxIterations, damp the matrix, or use the method "cg"'
        throw notConverged('neumann', column.iterations, column.residual, tolerance, advice)
      }
      addScaled(column.solution, scale, rest)
    })
  }
  return columns.map(({ solution, iterations, residual }) => ({ solution, iterations, residual }))
}
