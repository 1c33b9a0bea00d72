/** @file Products of matrices. */
import {
  add,
  type AnyTensor,
  einsum,
  matmul,
  mul,
  neg,
  ones,
  reshape,
  slice,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'
import { placed } from './broadcast.ts'

/** As NumPy: an operand of one axis is a row on the left, a column on the right, and that axis goes from the result. */
function product(call: OperatorCall): AnyTensor {
  const [a, b] = [call.float(0), call.float(1)]
  const left = a.shape.length === 1 ? reshape(a, [1, ...a.shape]) : a
  const right = b.shape.length === 1 ? reshape(b, [...b.shape, 1]) : b
  const y = matmul(left, right)
  const shape = [...y.shape]
  if (b.shape.length === 1) shape.splice(-1, 1)
  if (a.shape.length === 1) shape.splice(b.shape.length === 1 ? -1 : -2, 1)
  return shape.length === y.shape.length ? y : reshape(y, shape)
}

/** α A' B' + β C. */
function gemm(call: OperatorCall): AnyTensor {
  const { attributes } = call
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)]
  const side = (input: number, flag: string): Tensor => {
    const x = call.float(input)
    if (x.shape.length !== 2) call.fail(`input ${input} must be a matrix`)
    return attributes.flag(flag) ? transposeLast(x) : x
  }
  const y = matmul(side(0, 'transA'), side(1, 'transB'))
  const scaled = alpha === 1 ? y : mul(y, alpha)
  if (!call.has(2) || beta === 0) return scaled
  const c = call.float(2)
  const aligned = call.opset < 7 ? (placed(call, scaled, c) as Tensor) : c
  return add(scaled, beta === 1 ? aligned : mul(aligned, beta))
}

/** More rows make more than 2¹² products. */
const mostRows = 12

/** The determinant of matrices, expanded along their rows; parts that occur several times are computed once. */
function determinant(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const rank = x.shape.length
  const size = x.shape[rank - 1] ?? 0
  if (rank < 2 || x.shape[rank - 2] !== size) call.fail('needs square matrices')
  if (size > mostRows) call.fail(`matrices of more than ${mostRows} rows are not expanded`)
  const batch = x.shape.slice(0, -2)
  const entry = (row: number, column: number): Tensor =>
    reshape(slice(slice(x, rank - 2, row, row + 1), rank - 1, column, column + 1), batch)
  const minors = new Map<string, Tensor>()
  const minor = (row: number, columns: readonly number[]): Tensor => {
    const [only] = columns
    if (columns.length === 1) return entry(row, only!)
    const key = columns.join()
    const known = minors.get(key)
    if (known !== undefined) return known
    const terms = columns.map((column, i) => {
      const term = mul(
        entry(row, column),
        minor(
          row + 1,
          columns.filter((other) => other !== column),
        ),
      )
      return i % 2 === 0 ? term : neg(term)
    })
    const total = terms.reduce(add)
    minors.set(key, total)
    return total
  }
  return size === 0
    ? ones(batch)
    : minor(
        0,
        Array.from({ length: size }, (_, i) => i),
      )
}

export const contractions: OperatorTable = {
  Det: operator(determinant),
  Einsum: operator((call) => einsum(call.attributes.string('equation'), ...(call.all() as Tensor[]))),
  Gemm: operator(gemm),
  MatMul: operator(product),
}
