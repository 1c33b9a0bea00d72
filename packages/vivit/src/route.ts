/**
 * @file How to get at a spectrum: through the Gram matrix of all columns, through the matrix itself where a group has fewer entries
 * than columns, or – for a few of the largest eigenvalues – by Lanczos iteration on products that are compiled once.
 */
import { BeyondgradError, capture, sizeOf, workOf } from '@beyondgrad/tensor'
import type { Member, Side } from './columns-of-group.ts'

/** 'gram': Vᵀ V; 'parameters': V Vᵀ; 'lanczos': products with Vᵀ V, of which only the largest eigenvalues come. */
export type Route = 'gram' | 'parameters' | 'lanczos'

/** Multiplications of matrices on an engine that one of ours on the host takes as long as, roughly; and those of a whole network. */
const [hostMultiplication, networkMultiplication] = [40, 2]

/** Products that one of the largest eigenpairs takes, roughly, and what any number of them takes besides. */
const productsOf = (pairs: number): number => 8 + 8 * pairs

/** The smaller of V's two sides, unless one is asked for. */
export function sideOf(members: readonly Member[], route?: Route): Side {
  if (route === 'gram') return 'columns'
  if (route === 'parameters') return 'parameters'
  const size = members.reduce((total, { parameter }) => total + sizeOf(parameter.shape), 0)
  const { columns } = members[0]!
  return size < columns.columns * columns.samples ? 'parameters' : 'columns'
}

/** Throws `value` for a route that is none, or that does not lead there. */
export function demandRoute(route: Route | undefined, why: string | undefined): void {
  if (route !== undefined && !['gram', 'parameters', 'lanczos'].includes(route)) {
    throw new BeyondgradError(
      'value',
      `route is "gram", "parameters" or "lanczos", not "${String(route)}"; leave it out to have the cheapest taken`,
    )
  }
  if (route !== 'lanczos' || why === undefined) return
  throw new BeyondgradError(
    'value',
    `route: Lanczos finds the largest eigenvalues only, and ${why}; take the route "gram"`,
  )
}

/** Multiplications, or what takes as long, of one run of a graph. */
export const workOfGraph = (build: () => object): number => workOf(capture(build, 'spectrum').graph)

/** Whether so many of the largest pairs come cheaper by products than by matrices of so many rows, one for each group. */
export function isLanczosCheaper(cost: {
  readonly matrices: number
  readonly rows: readonly number[]
  /** Of one product, for each group. */
  readonly product: number
  readonly pairs: number
}): boolean {
  const { matrices, rows, product, pairs } = cost
  const eigenvalues = rows.reduce((sum, n) => sum + (4 / 3) * n ** 3, 0)
  const byProducts = rows.length * productsOf(pairs) * networkMultiplication * product
  return byProducts < matrices + hostMultiplication * eigenvalues
}
