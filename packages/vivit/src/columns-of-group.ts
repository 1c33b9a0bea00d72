/**
 * @file The square root V of the generalised Gauss-Newton matrix of one group of parameters, seen through the smaller of its two
 * products: Vᵀ V between columns, or V Vᵀ – the matrix itself – between parameters. Both have the same spectrum but for zeros.
 */
import type { Columns, Parameter } from '@beyondgrad/autograd'
import { add, concat, matmul, mul, reshape, sizeOf, type Tensor, transposeLast } from '@beyondgrad/tensor'

/** What arrives at one parameter of a group. */
export interface Member {
  readonly parameter: Parameter
  readonly columns: Columns
}

/** Between which of V's two sides a group's matrix is. */
export type Side = 'columns' | 'parameters'

/** How many columns there are: of all samples together. */
const columnCount = ({ columns }: Member): number => columns.columns * columns.samples

/** The group's matrix, times `scale`: rows and columns of the side. */
export function groupMatrix(members: readonly Member[], side: Side, scale: number): Tensor {
  if (side === 'columns') {
    return scaled(
      members.map(({ columns }) => columns.gram()).reduce((a, b) => add(a, b)),
      scale,
    )
  }
  const rows = concat(
    members.map(({ parameter, columns }) =>
      reshape(columns.materialize(), [columnCount({ parameter, columns }), sizeOf(parameter.shape)]),
    ),
    1,
  )
  return scaled(matmul(transposeLast(rows), rows), scale)
}

const scaled = (x: Tensor, scale: number): Tensor => (scale === 1 ? x : mul(x, scale))
