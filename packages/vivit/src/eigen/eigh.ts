/** @file Eigenvalues and eigenvectors of dense symmetric matrices, in double precision. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { tridiagonalEigenvectors } from './inverse-iteration.ts'
import { tridiagonalize } from './tridiagonal.ts'
import { tridiagonalEigenpairs, tridiagonalEigenvalues } from './tridiagonal-eigenvalues.ts'

export interface Eigenpairs {
  /** All n eigenvalues, ascending. */
  readonly values: Float64Array
  /** Unit eigenvectors of those that were chosen, in the order of `indices`; the largest entry of each is positive. */
  readonly vectors: readonly Float64Array[]
  /** Which eigenvalues they belong to, ascending. */
  readonly indices: readonly number[]
}

/**
 * All eigenvalues of a symmetric matrix, and the eigenvectors of some of them: (4/3) n³ operations for the values, 6 n² more for each
 * vector. Values are good to about ε times the largest one.
 *
 * Throws `value` for a matrix of another size or with NaN or infinity.
 *
 * @param matrix n × n, row-major; only what is on and below the diagonal is looked at. It is overwritten.
 * @param choose which eigenvalues (ascending) vectors are wanted of; default: none
 */
export function eigh(
  matrix: Float64Array,
  n: number,
  choose: (values: Float64Array) => readonly number[] = () => [],
): Eigenpairs {
  if (matrix.length !== n * n) {
    throw new BeyondgradError('value', `eigh: ${matrix.length} numbers are no ${n} × ${n} matrix`)
  }
  const scale = scaleOf(matrix, n)
  for (let i = 0; i < matrix.length; i++) matrix[i]! /= scale
  const { diagonal, beside, toOriginal } = tridiagonalize(matrix, n)
  const values = tridiagonalEigenvalues(diagonal, beside)
  const scaled = values.map((value) => value * scale)
  const indices = [...choose(scaled)].sort((a, b) => a - b)
  const wrong = indices.find((k) => !(Number.isInteger(k) && k >= 0 && k < n))
  if (wrong !== undefined) {
    throw new BeyondgradError('value', `eigh: there is no eigenvalue ${wrong} among ${n}`)
  }
  const vectors = tridiagonalVectors(diagonal, beside, values, indices)
  for (const vector of vectors) {
    toOriginal(vector)
    pointUp(vector)
  }
  return { values: scaled, vectors, indices }
}

function tridiagonalVectors(
  diagonal: Float64Array,
  beside: Float64Array,
  values: Float64Array,
  indices: readonly number[],
): readonly Float64Array[] {
  if (indices.length === 0) return []
  // Where many are wanted, rotating all of them along is as quick, and orthogonal by itself.
  const few = indices.length <= Math.max(8, diagonal.length / 6)
  const single = few
    ? tridiagonalEigenvectors(
        diagonal,
        beside,
        indices.map((k) => values[k]!),
      )
    : undefined
  if (single !== undefined) return single
  const { vectors } = tridiagonalEigenpairs(diagonal, beside)
  return indices.map((k) => vectors[k]!)
}

/** The largest entry, by which nothing over- or underflows. */
function scaleOf(matrix: Float64Array, n: number): number {
  let largest = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const size = Math.abs(matrix[i * n + j]!)
      if (!Number.isFinite(size)) {
        throw new BeyondgradError('value', `eigh: entry [${i}, ${j}] of the matrix is ${matrix[i * n + j]}`)
      }
      if (size > largest) largest = size
    }
  }
  return largest || 1
}

/** A sign for what has none: the first of the largest entries is positive. */
function pointUp(vector: Float64Array): void {
  let largest = 0
  for (const entry of vector) if (Math.abs(entry) > Math.abs(largest) * (1 + 1e-9)) largest = entry
  if (largest >= 0) return
  for (let i = 0; i < vector.length; i++) vector[i] = -vector[i]!
}
