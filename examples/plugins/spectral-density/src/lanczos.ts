/**
 * @file Lanczos iteration for a symmetric matrix that is only known by its products with vectors, with full reorthogonalisation:
 * the Gauss quadrature of one starting vector (Golub and Meurant, "Matrices, moments and quadrature", 2010).
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

/** H v; v may not be kept. */
export type MatrixProduct = (vector: Float64Array) => Promise<ArrayLike<number>>

/** Σ weights f(nodes) approximates uᵀ f(H) u for a unit vector u: exact for polynomials up to degree 2 · nodes − 1. */
export interface Quadrature {
  /** Ascending. */
  readonly nodes: Float64Array
  /** They add up to 1. */
  readonly weights: Float64Array
}

/**
 * The quadrature of a starting vector after `steps` products, or as many as there are dimensions to find.
 *
 * @param start any vector but zero
 * @param progress called after every product
 */
export async function lanczos(
  product: MatrixProduct,
  start: Float64Array,
  steps: number,
  progress: () => void = () => undefined,
): Promise<Quadrature> {
  const basis = [scaled(start, 1 / norm(start))]
  const diagonal: number[] = []
  const beside: number[] = []
  let size = 0
  for (;;) {
    const newest = basis.at(-1)!
    const next = Float64Array.from(await product(newest.slice()))
    diagonal.push(dot(newest, next))
    size = Math.max(size, norm(next))
    progress()
    // Twice is enough (Giraud and Langou, 2003).
    for (let pass = 0; pass < 2; pass++) {
      for (const vector of basis) addScaled(next, -dot(vector, next), vector)
    }
    const length = norm(next)
    // What is left is rounding: the vectors span all that the start can reach.
    if (diagonal.length >= steps || length <= 1e-12 * size) break
    beside.push(length)
    basis.push(scaled(next, 1 / length))
  }
  return quadratureOf(diagonal, beside)
}

/** Nodes are the eigenvalues of the tridiagonal matrix, weights the squares of its eigenvectors' first entries. */
function quadratureOf(diagonal: readonly number[], beside: readonly number[]): Quadrature {
  const matrix = Matrix.diag([...diagonal])
  beside.forEach((value, i) => {
    matrix.set(i, i + 1, value)
    matrix.set(i + 1, i, value)
  })
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  })
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[a]! - realEigenvalues[b]!)
  return {
    nodes: Float64Array.from(order, (i) => realEigenvalues[i]!),
    weights: Float64Array.from(order, (i) => eigenvectorMatrix.get(0, i) ** 2),
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

const norm = (x: Float64Array): number => Math.sqrt(dot(x, x))

const scaled = (x: Float64Array, factor: number): Float64Array => x.map((value) => value * factor)

function addScaled(target: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!
}
