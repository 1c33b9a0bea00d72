/**
 * @file Lanczos iteration for symmetric operators, with full reorthogonalisation: the Gauss quadrature of a starting vector (Golub and
 * Meurant, "Matrices, moments and quadrature", 2010).
 */
import type { CountedProducts } from './counted-products.ts'
import { eigenbasisOf } from './symmetric-matrix.ts'
import { addScaled, dot, norm, scaled } from './vectors.ts'

/** Σ weights f(nodes) approximates uᵀ f(A) u for the unit vector u: exact for polynomials up to degree 2 · nodes − 1. */
export interface Quadrature {
  /** Ascending; the extreme ones reach the extreme eigenvalues from within. */
  readonly nodes: Float64Array
  /** They add up to 1. */
  readonly weights: Float64Array
}

/** The quadrature of a starting vector that is not zero, after `steps` products or as many as there are dimensions to find. */
export async function lanczos(
  products: CountedProducts,
  start: Float64Array,
  steps: number,
): Promise<Quadrature> {
  const basis = [scaled(start, 1 / norm(start))]
  const [diagonal, beside]: [number[], number[]] = [[], []]
  let size = 0
  for (;;) {
    const newest = basis.at(-1)!
    const [next] = (await products.times([newest])) as [Float64Array]
    diagonal.push(dot(newest, next))
    size = Math.max(size, norm(next))
    // Twice is enough (Giraud and Langou, 2003).
    for (let pass = 0; pass < 2; pass++) {
      for (const vector of basis) addScaled(next, -dot(vector, next), vector)
    }
    const length = norm(next)
    // What is left is rounding: the vectors span all that the start can reach.
    if (diagonal.length >= Math.min(steps, start.length) || length <= 1e-12 * size) break
    beside.push(length)
    basis.push(scaled(next, 1 / length))
  }
  return quadratureOf(diagonal, beside)
}

/** Nodes are the eigenvalues of the tridiagonal matrix, weights the squares of its eigenvectors' first entries. */
function quadratureOf(diagonal: readonly number[], beside: readonly number[]): Quadrature {
  const size = diagonal.length
  const matrix = new Float64Array(size * size)
  diagonal.forEach((value, i) => (matrix[i * size + i] = value))
  beside.forEach((value, i) => {
    matrix[i * size + i + 1] = value
    matrix[(i + 1) * size + i] = value
  })
  const { values, vectors } = eigenbasisOf(matrix, size)
  return { nodes: values, weights: vectors.slice(0, size).map((entry) => entry * entry) }
}
