/**
 * @file The Gaussian posterior of one parameter: its precision is the curvature times 1 / σ² plus that of the prior, in the basis
 * in which both are diagonal.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { Kronecker } from './curvature.ts'

/** Curvature of one parameter in its eigenbasis. */
export interface Block {
  /** Eigenvalues of the curvature at σ = 1, none below zero. */
  readonly eigenvalues: Float64Array
  /** A row of a Jacobian, row-major in the parameter's layout, in the eigenbasis. */
  rotate(row: Float64Array): Float64Array
}

export function diagonalBlock(curvature: Float64Array): Block {
  // Rounding may leave a zero slightly below.
  return { eigenvalues: curvature.map((h) => Math.max(0, h)), rotate: (row) => row }
}

/**
 * B ⊗ A in the basis U_B ⊗ U_A, group by group.
 *
 * @param rows which row of the factors each entry of the parameter is
 */
export function kroneckerBlock(groups: readonly Kronecker[], rows: ArrayLike<number>): Block {
  const parts = groups.map(({ output, input }) => ({
    output: symmetric(output),
    input: symmetric(input ?? Matrix.eye(1)),
  }))
  const eigenvalues = Float64Array.from(
    parts.flatMap(({ output, input }) => output.values.flatMap((b) => input.values.map((a) => b * a))),
  )
  return {
    eigenvalues,
    rotate: (row) => {
      const ordered = new Float64Array(row.length)
      row.forEach((value, i) => (ordered[rows[i]!] = value))
      const rotated = new Float64Array(row.length)
      let from = 0
      for (const { output, input } of parts) {
        const [o, i] = [output.values.length, input.values.length]
        const slope = Matrix.from1DArray(o, i, Array.from(ordered.subarray(from, from + o * i)))
        rotated.set(output.vectors.transpose().mmul(slope).mmul(input.vectors).to1DArray(), from)
        from += o * i
      }
      return rotated
    },
  }
}

function symmetric(matrix: Matrix): { readonly values: readonly number[]; readonly vectors: Matrix } {
  const mean = Matrix.add(matrix, matrix.transpose()).mul(0.5)
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(mean, { assumeSymmetric: true })
  return { values: realEigenvalues.map((value) => Math.max(0, value)), vectors: eigenvectorMatrix }
}
