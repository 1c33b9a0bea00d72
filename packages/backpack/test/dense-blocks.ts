/** @file Curvature of one parameter as a dense matrix: row by row, or made of Kronecker factors. */
import {
  defineExtension,
  type Extension,
  ggnFlow,
  type KroneckerFactors,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  cast,
  type Evaluated,
  eye,
  iota,
  type NDArray,
  reshape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'

/** All unit vectors: products with them are the rows of the block. */
export const units = ({ shape }: Parameter): Tensor => reshape(eye(sizeOf(shape)), [sizeOf(shape), ...shape])

/** Σ V Vᵀ of columns [V, N, ...parameter.shape]. */
export function gramOf({ shape, data }: NDArray): Float64Array {
  const size = sizeOf(shape.slice(2))
  const block = new Float64Array(size * size)
  for (let from = 0; from < data.length; from += size) {
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) block[i * size + j]! += data[from + i]! * data[from + j]!
  }
  return block
}

export type Factors = Evaluated<KroneckerFactors>

const groupsOf = ({ output }: Factors): number => (output.shape.length === 3 ? output.shape[0]! : 1)

/** B ⊗ A of every group on the diagonal, or B alone; a table's A is a diagonal. */
export function dense(factors: Factors): Float64Array {
  const { output, input } = factors
  const groups = groupsOf(factors)
  const [o, i] = [output.shape.at(-1)!, input?.shape.at(-1) ?? 1]
  const size = groups * o * i
  const result = new Float64Array(size * size)
  for (let p = 0; p < size; p++) {
    for (let q = 0; q < size; q++) {
      const [g, h] = [p, q].map((row) => Math.floor(row / (o * i)))
      if (g !== h) continue
      const [a, b] = [p, q].map((row) => Math.floor(row / i) % o)
      const [c, d] = [p % i, q % i]
      const table = input?.shape.length === 1
      const right =
        input === undefined ? 1 : table ? Number(c === d) * input.data[c]! : input.data[(g! * i + c) * i + d]!
      result[p * size + q] = output.data[(g! * o + a!) * o + b!]! * right
    }
  }
  return result
}

/** For every entry of a parameter, which row of `dense` it is. */
export const rowsOfFactors: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'rows of factors',
  flow: ggnFlow(),
  parameter: ({ contribution }) => {
    const { output, input } = contribution.kroneckerFactors('expand')
    const [groups, out] = output.shape.length === 3 ? output.shape : [1, output.shape[0]!]
    const size = input === undefined ? [out!] : [groups!, out!, input.shape.at(-1)!]
    return contribution.placeKronecker(cast(reshape(iota(sizeOf(size)), size), 'float32'), 0)
  },
})

/** `dense` in the order of the parameter's entries. */
export function placedBlock(factors: Factors, { data: rows }: NDArray): Float64Array {
  const block = dense(factors)
  const size = rows.length
  return Float64Array.from(
    { length: size * size },
    (_, at) => block[rows[Math.floor(at / size)]! * size + rows[at % size]!]!,
  )
}

/** A parameter's block without what lies between its groups, of which factors know nothing. */
export function withinGroups(
  block: ArrayLike<number>,
  factors: Factors,
  { data: rows }: NDArray,
): Float64Array {
  const size = rows.length
  const perGroup = size / groupsOf(factors)
  return Float64Array.from(block, (value, at) => {
    const [p, q] = [rows[Math.floor(at / size)]!, rows[at % size]!]
    return Math.floor(p / perGroup) === Math.floor(q / perGroup) ? value : 0
  })
}
