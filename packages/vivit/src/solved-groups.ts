/** @file The chosen eigenpairs of every group, in coordinates of its columns or parameters: by whichever route is cheapest. */
import { evaluate, placeholder, type Tensor, tensor } from '@beyondgrad/tensor'
import type { Side } from './columns-of-group.ts'
import { choose, type Criterion } from './criterion.ts'
import type { DirectionOptions } from './directions.ts'
import { eigh } from './eigen/eigh.ts'
import { type GramProducts, gramProducts } from './lanczos-route.ts'
import { demandRoute, isLanczosCheaper, workOfGraph } from './route.ts'
import {
  describe,
  dimensionOf,
  type GroupProblem,
  type GroupSpectrum,
  problemGraph,
  runOptions,
  spectrumOf,
  step,
} from './spectrum.ts'

/** A group with its chosen eigenpairs: of the Gram matrix, or of the matrix itself. */
export interface SolvedGroup extends GroupSpectrum {
  readonly side: Side
  readonly indices: readonly number[]
  /** [K, rows], scaled so that what they lead to has about unit length. */
  readonly coefficients: Tensor
}

interface Solved {
  readonly groups: readonly SolvedGroup[]
  readonly value: number
}

const usual: Criterion = { above: 1e-4 }

/** Residuals of Lanczos pairs are below this part of the largest eigenvalue. */
const tolerance = 1e-6

export async function solvedGroups(loss: Tensor, options: DirectionOptions): Promise<Solved> {
  const { criterion = usual, route } = options
  const top = typeof criterion === 'object' && 'top' in criterion ? criterion.top : undefined
  demandRoute(route, top === undefined ? 'the criterion looks at all of them' : undefined)
  // What is no number of eigenvalues is refused where all of them are looked at.
  const isFew = top !== undefined && Number.isInteger(top) && top > 0
  const graph = problemGraph(loss, options, route)
  if (isFew && route !== 'gram' && route !== 'parameters') {
    const groups = graph.groups.map((parameters) => gramProducts(loss, parameters, options))
    const isCheaper = (): boolean =>
      isLanczosCheaper({
        matrices: graph.work(),
        rows: graph.rows,
        product: groups.reduce((sum, each) => sum + workOfProduct(each), 0) / groups.length,
        pairs: top,
      })
    if (route === 'lanczos' || isCheaper()) return byProducts(loss, groups, top, options)
  }
  const { problems, value } = await graph.run()
  return {
    value,
    groups: problems.map((problem, group) => {
      step(options, { step: 'eigenvalues', group, groups: problems.length })
      return solve(problem, criterion)
    }),
  }
}

const workOfProduct = ({ factor, expression }: GramProducts): number =>
  workOfGraph(() => [expression(placeholder([1, factor.columns, factor.samples], 'float32', 'vector'))])

async function byProducts(
  loss: Tensor,
  groups: readonly GramProducts[],
  top: number,
  options: DirectionOptions,
): Promise<Solved> {
  const { value } = await evaluate({ value: loss }, runOptions(options))
  const solved: SolvedGroup[] = []
  for (const [group, { factor, rows, largest }] of groups.entries()) {
    const { values, vectors } = await largest(top, tolerance, (products) =>
      step(options, { step: 'products', group, groups: groups.length, products }),
    )
    const { noise } = spectrumOf({ values }, rows)
    const indices = choose({ top }, values, noise)
    solved.push({
      parameters: factor.parameters,
      dimension: dimensionOf(factor.parameters),
      route: 'lanczos',
      side: 'columns',
      eigenvalues: values,
      noise,
      indices,
      coefficients: coefficientsOf('columns', values, indices, (k) => vectors[indices[k]!]!, rows),
    })
  }
  return { groups: solved, value: Number(value.data[0]) }
}

function solve(problem: GroupProblem, criterion: Criterion): SolvedGroup {
  const { matrix, rows, side } = problem
  let noise = 0
  const { values, indices, vectors } = eigh(matrix, rows, (all) => {
    noise = spectrumOf({ values: all }, rows).noise
    return choose(criterion, all, noise)
  })
  return {
    ...describe(problem),
    side,
    noise,
    eigenvalues: values,
    indices,
    coefficients: coefficientsOf(side, values, indices, (k) => vectors[k]!, rows),
  }
}

/** Eigenvectors as rows; V u has the length √λ. */
function coefficientsOf(
  side: Side,
  values: Float64Array,
  indices: readonly number[],
  vector: (k: number) => Float64Array,
  rows: number,
): Tensor {
  const data = new Float32Array(indices.length * rows)
  indices.forEach((place, k) => {
    const length = side === 'columns' ? Math.sqrt(values[place]!) : 1
    vector(k).forEach((x, i) => (data[k * rows + i] = x / length))
  })
  return tensor(data, { shape: [indices.length, rows], dtype: 'float32' })
}
