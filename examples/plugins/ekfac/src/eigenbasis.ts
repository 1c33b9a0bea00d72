/** @file Eigenvectors of symmetric factors, on the host and in double precision whatever the engine. */
import { BeyondgradError, type NDArray } from '@beyondgrad/tensor'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

export interface Eigenbasis {
  /** [n, n], or [G, n, n] for a factor with groups; columns are eigenvectors. */
  readonly vectors: NDArray
  /** [n] or [G, n], in ascending order. */
  readonly values: NDArray
}

/**
 * Throws `data` if the factor is not finite.
 *
 * @param factor symmetric up to round-off, [n, n] or [G, n, n]
 * @param parameter its parameter's name, for messages
 */
export function eigenbasis(factor: NDArray, parameter: string): Eigenbasis {
  const { shape, data } = factor
  if (!data.every(Number.isFinite)) {
    throw new BeyondgradError(
      'data',
      `ekfac: a Kronecker factor of parameter "${parameter}" has entries that are not finite; check the inputs and the loss`,
    )
  }
  const size = shape.at(-1)!
  const vectors = new Float64Array(data.length)
  const values = new Float64Array(data.length / Math.max(1, size))
  for (let from = 0, group = 0; from < data.length; from += size * size, group++) {
    const matrix = new Matrix(size, size)
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        matrix.set(i, j, (data[from + i * size + j]! + data[from + j * size + i]!) / 2)
      }
    }
    const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(matrix, {
      assumeSymmetric: true,
    })
    vectors.set(eigenvectorMatrix.to1DArray(), from)
    values.set(realEigenvalues, group * size)
  }
  return { vectors: inDouble(vectors, shape), values: inDouble(values, shape.slice(0, -1)) }
}

/** `float32` means the engine's float: the reference engine keeps doubles, others round them. */
function inDouble(data: Float64Array, shape: readonly number[]): NDArray {
  return { shape, dtype: 'float32', data: data as ArrayLike<number> as Float32Array }
}
