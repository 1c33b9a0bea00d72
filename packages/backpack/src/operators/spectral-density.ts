/**
 * @file The spectral density of a symmetric operator by stochastic Lanczos quadrature: the average over random starting vectors of
 * their quadratures, each node smoothed by a Gaussian.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import { countedProducts } from './counted-products.ts'
import { lanczos, type Quadrature } from './lanczos.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { demandSquare } from './operator-algebra.ts'
import { demandCount, demandSeed, randomVector } from './random-vectors.ts'

export interface SpectralDensityOptions extends ProductOptions {
  /** Products for each starting vector, or as many as there are dimensions. Default: 80. */
  readonly steps?: number
  /** Starting vectors, over which is averaged. Default: 4. */
  readonly vectors?: number
  /** Default: 0. */
  readonly seed?: number
  /** Points of the grid. Default: 400. */
  readonly points?: number
  /** Standard deviation of the Gaussian in place of each node. Default: a hundredth of the nodes' range. */
  readonly width?: number
}

export interface SpectralDensityResult {
  /** Rows of the operator. */
  readonly dimension: number
  /**
   * Where the quadratures look at the spectrum, ascending, and how much of it is there: weights add up to 1, and Σ weights f(nodes)
   * estimates tr f(A) / dimension. The extreme nodes reach the extreme eigenvalues from within, and quickly.
   */
  readonly nodes: Float64Array
  readonly weights: Float64Array
  /** The smoothed density at the points of a grid: it integrates to 1 over the whole line. */
  readonly grid: { readonly at: Float64Array; readonly density: Float64Array }
  /** How much it was smoothed: the Gaussian's standard deviation, in units of the eigenvalues. */
  readonly width: number
  /** Products that it took. */
  readonly matvecs: number
}

/** How far the grid goes beyond the nodes, in standard deviations. */
const margin = 5

/**
 * The spectral density of a symmetric operator, such as `GGNOperator`. Throws `unsupported` for one that is not symmetric, `value` for
 * options that make no sense, `data` for products that are not finite and `cancelled`.
 *
 * Source: Ghorbani, Krishnan and Xiao, "An investigation into neural net optimization via Hessian eigenvalue density", ICML 2019.
 */
export async function spectralDensity(
  operator: LinearOperator,
  options: SpectralDensityOptions = {},
): Promise<SpectralDensityResult> {
  const what = 'spectralDensity'
  demandSquare(what, operator)
  const { steps = 80, vectors = 4, seed = 0, points = 400, width } = options
  demandCount(what, 'steps', steps)
  demandCount(what, 'vectors', vectors)
  demandCount(what, 'points', points, 2)
  demandSeed(what, seed)
  if (width !== undefined && !(width > 0 && width < Infinity)) {
    throw new BeyondgradError('value', `${what}: width must be a positive number, not ${width}`)
  }
  if (!operator.symmetric) {
    throw new BeyondgradError(
      'unsupported',
      `${what}: ${operator.name} must be symmetric, and is not said to be`,
    )
  }
  const [dimension] = operator.shape
  if (dimension === 0) {
    throw new BeyondgradError('value', `${what}: ${operator.name} has no rows, and so no spectrum`)
  }
  const products = countedProducts(what, operator, options, vectors * Math.min(steps, dimension))
  const quadratures: Quadrature[] = []
  for (let number = 0; number < vectors; number++) {
    // Every direction is as likely as another.
    const start = randomVector('normal', dimension, { seed, stream: 'spectral density', number })
    quadratures.push(await lanczos(products, start, steps))
  }
  return { dimension, matvecs: products.count, ...averaged(quadratures, points, width) }
}

function averaged(
  quadratures: readonly Quadrature[],
  points: number,
  given: number | undefined,
): Pick<SpectralDensityResult, 'nodes' | 'weights' | 'grid' | 'width'> {
  const pairs = quadratures
    .flatMap(({ nodes, weights }) =>
      Array.from(nodes, (node, i) => ({ node, weight: weights[i]! / quadratures.length })),
    )
    .sort((a, b) => a.node - b.node)
  const [smallest, largest] = [pairs[0]!.node, pairs.at(-1)!.node]
  // A spectrum that is one point has some width, too.
  const width = given ?? ((largest - smallest) / 100 || Math.abs(largest) / 100 || 1)
  const from = smallest - margin * width
  const spacing = (largest - smallest + 2 * margin * width) / (points - 1)
  const at = Float64Array.from({ length: points }, (_, i) => from + spacing * i)
  const height = 1 / (width * Math.sqrt(2 * Math.PI))
  return {
    width,
    nodes: Float64Array.from(pairs, ({ node }) => node),
    weights: Float64Array.from(pairs, ({ weight }) => weight),
    grid: {
      at,
      density: at.map((x) =>
        pairs.reduce(
          (sum, { node, weight }) => sum + height * weight * Math.exp(-(((x - node) / width) ** 2) / 2),
          0,
        ),
      ),
    },
  }
}
