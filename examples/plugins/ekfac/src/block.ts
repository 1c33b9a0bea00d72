/** @file A curvature block Q Λ Qᵀ, Q = Q_B ⊗ Q_A. */
import type { Parameter } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  type Evaluated,
  formatShape,
  matmul,
  type NDArray,
  reshape,
  type Tensor,
  tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import type { Bases, EigenvaluesInBasis } from './eigenvalues.ts'

export interface EKFACBlock {
  /** Q_B, columns are eigenvectors: [O, O], or [G, O, O] with groups; of the whole block for a bias or a scale. */
  readonly basisOutput: NDArray
  /** Q_A: [I, I] or [G, I, I]; left out for whole blocks and for tables, whose rows are eigenvectors. */
  readonly basisInput?: NDArray
  /** Λ: [O, I], [G, O, I], [rows, E] of a table or [size] of a whole block. */
  readonly eigenvalues: NDArray
  /**
   * (block + damping · I)⁻¹ vector as an expression, both [...parameter.shape]: in a compiled step, a preconditioned gradient.
   * Throws `shape`, and `value` unless the damping is positive.
   */
  inverseTimes(vector: Tensor, damping: number): Tensor
}

export function blockOf(
  { output, input, whole }: Bases,
  { eigenvalues, lay, place }: Evaluated<EigenvaluesInBasis>,
  { name, shape }: Parameter,
): EKFACBlock {
  const [q, r] = [tensor(output.vectors), input && tensor(input.vectors)]
  // A table [rows, E] has the basis of its rows' entries on the right.
  const [left, right] = whole || r !== undefined ? [q, r] : [undefined, q]
  const matrix = whole ? [...eigenvalues.shape, 1] : eigenvalues.shape
  const lambda = reshape(tensor(eigenvalues), matrix)
  const times = (a: Tensor | undefined, x: Tensor, b: Tensor | undefined): Tensor => {
    const half = a === undefined ? x : matmul(a, x)
    return b === undefined ? half : matmul(half, b)
  }
  return {
    basisOutput: output.vectors,
    ...(input && { basisInput: input.vectors }),
    eigenvalues,
    inverseTimes: (vector, damping) => {
      if (!(damping > 0 && damping < Infinity)) {
        throw new BeyondgradError('value', `inverseTimes: damping must be positive, not ${damping}`)
      }
      if (formatShape(vector.shape) !== formatShape(shape)) {
        throw new BeyondgradError(
          'shape',
          `inverseTimes: parameter "${name}" has shape ${formatShape(shape)}, the vector ${formatShape(vector.shape)}`,
        )
      }
      const laid = lay(vector)
      const inBasis = times(left && transposeLast(left), reshape(laid, matrix), right).div(
        lambda.add(damping),
      )
      return place(reshape(times(left, inBasis, right && transposeLast(right)), laid.shape))
    },
  }
}
