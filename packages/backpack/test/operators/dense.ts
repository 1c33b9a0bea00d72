/** @file Dense matrices as operators, to compare with. */
import { type AnyTensor, fillRandom, substitute, type Tensor, topologicalOrder } from '@beyondgrad/tensor'
import {
  type CurvatureOptions,
  type DenseMatrix,
  defineLinearOperator,
  type LinearOperator,
} from '../../src/index.ts'

/** Standard normal numbers, a pure function of the name. */
export function normal(name: string, size: number): Float64Array {
  const data = new Float64Array(size)
  fillRandom({ distribution: 'normal', seed: 11, stream: name }, 0, 1, 1, size, data)
  return data
}

export function timesDense({ rows, columns, data }: DenseMatrix, x: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0
    for (let j = 0; j < columns; j++) sum += data[i * columns + j]! * x[j]!
    return sum
  })
}

export function transpose({ rows, columns, data }: DenseMatrix): DenseMatrix {
  const at = (k: number): number => data[(k % rows) * columns + Math.floor(k / rows)]!
  return { rows: columns, columns: rows, data: Float64Array.from(data, (_, k) => at(k)) }
}

export function product(a: DenseMatrix, b: DenseMatrix): DenseMatrix {
  const right = transpose(b)
  const columns = Array.from({ length: b.columns }, (_, j) =>
    timesDense(a, right.data.subarray(j * b.rows, (j + 1) * b.rows)),
  )
  const data = Float64Array.from(
    { length: a.rows * b.columns },
    (_, k) => columns[k % b.columns]![Math.floor(k / b.columns)]!,
  )
  return { rows: a.rows, columns: b.columns, data }
}

export function randomMatrix(name: string, rows: number, columns: number): DenseMatrix {
  return { rows, columns, data: normal(name, rows * columns) }
}

/** X Xᵀ / rank + δ I. */
export function semidefinite(name: string, size: number, rank: number, delta = 0): DenseMatrix {
  const x = randomMatrix(name, size, rank)
  const { data } = product(x, transpose(x))
  return {
    rows: size,
    columns: size,
    data: data.map((value, k) => value / rank + (k % (size + 1) === 0 ? delta : 0)),
  }
}

export const operatorOf = (matrix: DenseMatrix, symmetric = false): LinearOperator =>
  defineLinearOperator({
    name: 'dense',
    shape: [matrix.rows, matrix.columns],
    symmetric,
    matvec: (vector) => timesDense(matrix, vector),
    ...(!symmetric && { rmatvec: (vector) => timesDense(transpose(matrix), vector) }),
  })

export const diagonalOf = ({ columns, data }: DenseMatrix): Float64Array =>
  data.filter((_, k) => k % (columns + 1) === 0)
export const traceOf = (matrix: DenseMatrix): number => diagonalOf(matrix).reduce((a, b) => a + b, 0)

/** A finished loss as a function of the data that it was made of. */
export function ofItsData(
  loss: Tensor,
): Pick<CurvatureOptions<{ readonly leaves: readonly AnyTensor[] }>, 'loss' | 'data'> {
  const leaves = topologicalOrder([loss]).filter(({ op }) => op.name === 'data')
  return {
    data: { leaves },
    loss: (batch) =>
      substitute([loss], new Map(leaves.map((leaf, i) => [leaf, batch.leaves[i]!])))[0] as Tensor,
  }
}
