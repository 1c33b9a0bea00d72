/**
 * @file The square root V of the generalised Gauss-Newton matrix G = V Vᵀ as a pair of linear maps, without its columns: one pass
 * backward for V u, one forward for Vᵀ x.
 */
import {
  type AnyTensor,
  BeyondgradError,
  concat,
  guard,
  mul,
  namedMap,
  reshape,
  slice,
  sum,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { analyse, type AnalysisOptions } from './analysis.ts'
import { jvp } from './derivative.ts'
import type { GGNFlowOptions } from './flow.ts'
import { drawnColumns, exactColumns } from './loss-columns.ts'
import type { Parameter, ParameterMap } from './parameter.ts'
import { demandShapeOf, pullBack } from './pullback.ts'

/** V as linear maps; its columns are in the order of `Columns.materialize`. */
export interface CurvatureFactor {
  /** Columns a sample. */
  readonly columns: number
  readonly samples: number
  readonly parameters: readonly Parameter[]
  /** V u for weights u [V, N]. */
  toParameters(weights: Tensor): ParameterMap<Tensor>
  /** Vᵀ x for a vector by parameter: [V, N]. */
  toColumns(vectors: ParameterMap<Tensor>): Tensor
}

export interface CurvatureFactorOptions extends AnalysisOptions, Omit<GGNFlowOptions, 'samples'> {
  /** 'exact' (default), or a number of Monte-Carlo columns, as for `ggnFlow`. */
  readonly columns?: 'exact' | number
}

/**
 * The factor of a loss. Throws as `backward` does of the columns: `not-a-loss`, and `unsupported` for losses whose Hessian has no root.
 */
export function ggnFactor(loss: Tensor, options: CurvatureFactorOptions = {}): CurvatureFactor {
  const { columns: kind = 'exact', seed = 0, ...rest } = options
  const what = 'ggnFactor'
  const analysis = analyse(loss, rest)
  analysis.demandMarkedLosses(what)
  const { samples, parameters } = analysis
  const leaves = parameters.map((parameter) => analysis.leaf(parameter))
  const starts = analysis.losses.map((at) => {
    const {
      total,
      at: take,
      weight,
    } = kind === 'exact' ? exactColumns(at) : drawnColumns(at, { draws: kind, seed }, what)
    if (weight !== undefined) {
      throw new BeyondgradError(
        'unsupported',
        `${what}: the Hessian of loss "${at.definition.name}" has no known square root; use products with the matrix itself, ggnvp`,
      )
    }
    const scale = guard(at.scale, at.scale, { kind: 'not-negative', what: `${what}: the scale of the loss` })
    return { output: at.output, total, root: mul(take(0, total), scale.sqrt()) }
  })
  const columns = starts.reduce((count, { total }) => count + total, 0)
  return {
    columns,
    samples,
    parameters,
    toParameters: (weights) => {
      let from = 0
      const sources = starts.map(({ output, total, root }) => {
        const own = slice(weights, 0, from, from + total)
        from += total
        const each = reshape(own, [total, samples, ...output.shape.slice(1).map(() => 1)])
        return [output, sum(mul(root, each), [0])] as const
      })
      const found = pullBack(sources, leaves)
      return namedMap(parameters.map((parameter, i) => [parameter, found[i] ?? zeros(leaves[i]!.shape)]))
    },
    toColumns: (vectors) => {
      const tangents = parameters.map((parameter, i) => tangentOf(vectors, parameter, leaves[i]!))
      const parts = starts.map(({ output, root }) => {
        const moved = jvp(output, leaves, tangents)
        const products = mul(root, moved)
        return sum(products, [...products.shape.keys()].slice(2))
      })
      return parts.length === 1 ? parts[0]! : concat(parts, 0)
    },
  }
}

function tangentOf(vectors: ParameterMap<Tensor>, parameter: Parameter, leaf: AnyTensor): Tensor {
  const vector = vectors.get(parameter)
  demandShapeOf(`ggnFactor for "${parameter.name}"`, 'vector', vector, leaf)
  return vector
}
