/**
 * @file The curvature of the negative log-likelihood of a data set at a trained network, one parameter at a time: the
 * Gauss-Newton diagonal, or the Kronecker factors with what they mean for the parameter's layout. Both are sums over samples, so
 * that a data set may come in batches.
 */
import { defineExtension, type Extension, ggnFlow, type ParameterMap } from '@beyondgrad/autograd'
import { cast, type Evaluated, iota, type NDArray, reshape, sizeOf, type Tensor } from '@beyondgrad/tensor'
import { Matrix } from 'ml-matrix'
import { type Block, diagonalBlock, kroneckerBlock } from './block.ts'

/** What is kept of the curvature of each parameter. */
export type Structure = 'diagonal' | 'kronecker'

/** The curvature of a batch. */
export interface BatchCurvature {
  /** [...parameter.shape] */
  readonly diagonal?: Tensor
  readonly factors?: {
    /** [G, O, O]: a sum over columns and samples; without G where there are no groups. */
    readonly output: Tensor
    /** [G, I, I]: a mean over samples; [I] where it is a diagonal. Without it, `output` is the whole block. */
    readonly input?: Tensor
    /** [...parameter.shape]: which row of B ⊗ A, group by group, each entry is. */
    readonly rows: Tensor
  }
}

/** A batch's curvature in the structure that is asked for. */
export function CurvatureOf(structure: Structure): Extension<ParameterMap<BatchCurvature>> {
  return defineExtension({
    name: 'laplace-curvature',
    options: { structure },
    flow: ggnFlow(),
    parameter: ({ contribution }) => {
      if (structure === 'diagonal') return { diagonal: contribution.sumOfSquares() }
      const { output, input } = contribution.kroneckerFactors('expand')
      const [groups, out] = output.shape.length === 3 ? output.shape : [1, output.shape[0]!]
      const order = input === undefined ? [out!] : [groups!, out!, input.shape.at(-1)!]
      const count = cast(reshape(iota(sizeOf(order)), order), 'float32')
      return { factors: { output, ...(input && { input }), rows: contribution.placeKronecker(count, 0) } }
    },
  })
}

/** The curvature of a data set, or of as much as has been seen of it. */
export interface CurvatureSum {
  /** Those of another batch, `count` samples after `before` of them. */
  add(next: Evaluated<BatchCurvature>, before: number, count: number): CurvatureSum
  block(): Block
}

/** The first batch. */
export function firstOf({ diagonal, factors }: Evaluated<BatchCurvature>): CurvatureSum {
  if (diagonal !== undefined) return sumOfDiagonals(Float64Array.from(diagonal.data))
  return sumOfFactors(groupsOf(factors!.output, factors!.input), factors!.rows.data)
}

function sumOfDiagonals(diagonal: Float64Array): CurvatureSum {
  return {
    add: (next) => sumOfDiagonals(diagonal.map((h, i) => h + next.diagonal!.data[i]!)),
    block: () => diagonalBlock(diagonal),
  }
}

/** B ⊗ A of one group. */
export interface Kronecker {
  readonly output: Matrix
  readonly input: Matrix | undefined
}

function sumOfFactors(groups: readonly Kronecker[], rows: ArrayLike<number>): CurvatureSum {
  return {
    add: ({ factors }, before, count) => {
      const share = count / (before + count)
      const next = groupsOf(factors!.output, factors!.input)
      const sums = groups.map(({ output, input }, g) => ({
        output: Matrix.add(output, next[g]!.output),
        // Outputs are sums, inputs are means.
        input: input && Matrix.add(Matrix.mul(input, 1 - share), Matrix.mul(next[g]!.input!, share)),
      }))
      return sumOfFactors(sums, rows)
    },
    block: () => kroneckerBlock(groups, rows),
  }
}

function groupsOf(output: NDArray, input: NDArray | undefined): Kronecker[] {
  const groups = output.shape.length === 3 ? output.shape[0]! : 1
  return Array.from({ length: groups }, (_, g) => ({
    output: squareOf(output, g),
    input: input && (input.shape.length === 1 ? Matrix.diag([...input.data]) : squareOf(input, g)),
  }))
}

function squareOf({ data, shape }: NDArray, group: number): Matrix {
  const size = shape.at(-1)!
  const from = group * size * size
  return Matrix.from1DArray(size, size, Array.from(data.slice(from, from + size * size)))
}
