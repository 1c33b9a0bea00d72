/**
 * @file The second phase: a block's second moments along eigenvectors that are known. Factors are rotated, cotangents by the basis of
 * the output and inputs by that of the input, so that a column of a sample is never multiplied out more than any diagonal needs.
 */
import {
  type ColumnChunk,
  type Columns,
  contraction,
  defineExtension,
  type Extension,
  ggnFlow,
  type GGNFlowOptions,
  indexedContraction,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError, matmul, reshape, type Tensor, tensor, transposeLast } from '@beyondgrad/tensor'
import type { Eigenbasis } from './eigenbasis.ts'

/** The bases of one parameter's block. */
export interface Bases {
  readonly output: Eigenbasis
  /** Left out for whole blocks, which have one basis, and for tables, whose rows are eigenvectors already. */
  readonly input?: Eigenbasis
  /** Whether the output's basis is that of the whole block: for biases and scales. */
  readonly whole: boolean
}

/** Eigenvalues, and how a vector comes to where they are. */
export interface EigenvaluesInBasis {
  /** [O, I], [G, O, I] with groups, [rows, E] of a table, [size] of a whole block. */
  readonly eigenvalues: Tensor
  /** [...parameter.shape] → the layout of the factors. */
  readonly lay: (vector: Tensor) => Tensor
  /** And back. */
  readonly place: (result: Tensor) => Tensor
}

/** Σ w (Q_Bᵀ P Q_A)² over columns and samples. */
export function EKFACEigenvalues(
  bases: ParameterMap<Bases>,
  flow: GGNFlowOptions,
): Extension<ParameterMap<EigenvaluesInBasis>> {
  return defineExtension({
    // No options: the bases are data, and so this is never taken for another.
    name: 'ekfac-eigenvalues',
    flow: ggnFlow(flow),
    parameter: ({ contribution, parameter }): EigenvaluesInBasis => {
      const own = bases.get(parameter)
      if (own.whole) {
        return {
          eigenvalues: tensor(own.output.values),
          lay: (vector) => reshape(vector, [-1, 1]),
          place: (result) => reshape(result, parameter.shape),
        }
      }
      return inFactors(contribution, own)
    },
  })
}

function inFactors(columns: Columns, { output, input }: Bases): EigenvaluesInBasis {
  const [left, right] = [tensor(output.vectors), input && tensor(input.vectors)]
  const chunks = columns.kroneckerChunks()
  const [first] = chunks as readonly [ColumnChunk]
  const eigenvalues = chunks.map((chunk) => secondMoments(chunk, left, right)).reduce((a, b) => a.add(b))
  return {
    eigenvalues:
      eigenvalues.shape[0] === 1 && right ? reshape(eigenvalues, eigenvalues.shape.slice(1)) : eigenvalues,
    lay: (vector) => first.lay(vector),
    place: (result) => first.place(result, 0),
  }
}

function secondMoments({ factors, weight }: ColumnChunk, output: Tensor, input: Tensor | undefined): Tensor {
  const alike = weight.shape.length === 0
  const each = alike ? undefined : weight
  const total = (moments: Tensor): Tensor => (alike ? moments.mul(weight) : moments)
  if (factors.kind === 'outer' && input !== undefined) {
    const cotangent = matmul(transposeLast(output), factors.cotangent)
    return total(contraction.sumOfSquares(cotangent, matmul(transposeLast(input), factors.input), each))
  }
  if (factors.kind === 'indexed') {
    const cotangent = matmul(factors.cotangent, output)
    return total(indexedContraction.sumOfSquares({ ...factors, cotangent }, each))
  }
  throw new BeyondgradError('unsupported', 'ekfac: columns without factors have whole blocks')
}
