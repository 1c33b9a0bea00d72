/**
 * @file The spectral density of a curvature matrix by stochastic Lanczos quadrature: the average over random starting vectors of
 * their quadratures (Ghorbani, Krishnan and Xiao, ICML 2019; Papyan, 2018; Ubaru, Chen and Saad, 2017).
 */
import { type Parameter, type ParameterMap, parametersOf } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  cancelled,
  type Engine,
  fillRandom,
  formatShape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import { lanczos, type Quadrature } from './lanczos.ts'
import { type Curvature, curvatureProduct } from './product.ts'

export interface Progress {
  /** Products of matrix and vector so far. */
  readonly done: number
  /** At most so many there will be. */
  readonly total: number
}

export interface SpectralDensityOptions {
  /** Default: 'hessian'. */
  readonly matrix?: Curvature
  /** Products for each starting vector, at most as many as there are numbers in the parameters. Default: 80. */
  readonly steps?: number
  /** Starting vectors. Default: 4. */
  readonly vectors?: number
  /** Chooses the starting vectors. Default: 0. */
  readonly seed?: number
  /** Default: all trainable ones that the loss depends on. */
  readonly parameters?: readonly Parameter[] | ParameterMap<Parameter>
  /** Points of the grid. Default: 400. */
  readonly points?: number
  /** Standard deviation of the Gaussian that every node is smoothed by. Default: a hundredth of the spectrum's width. */
  readonly width?: number
  /** Default: the current one. */
  readonly engine?: Engine
  readonly progress?: (progress: Progress) => void
  readonly signal?: AbortSignal
}

export interface SpectralDensity {
  /** P, the numbers in the parameters. */
  readonly dimension: number
  /** Ascending: where the quadratures of all starting vectors look at the spectrum. */
  readonly nodes: Float64Array
  /** They add up to 1. Σ weights f(nodes) estimates tr f(H) / P. */
  readonly weights: Float64Array
  /** The quadrature of each starting vector. */
  readonly quadratures: readonly Quadrature[]
  /** The extreme nodes; they reach the extreme eigenvalues from within, and quickly. */
  readonly smallest: number
  readonly largest: number
  /** The density, smoothed, at the points of a grid; it integrates to 1. */
  readonly grid: { readonly at: Float64Array; readonly density: Float64Array }
}

/**
 * The spectral density of the curvature of a loss with respect to its parameters.
 *
 * Throws `value` for options that make no sense, and if parameters change meanwhile; `not-a-loss` for the GGN of what contains no marked
 * loss; `cancelled` after the signal.
 *
 * @param loss a scalar, of as much data as its curvature is wanted of
 */
export async function spectralDensity(
  loss: Tensor,
  options: SpectralDensityOptions = {},
): Promise<SpectralDensity> {
  const { matrix = 'hessian', steps = 80, vectors = 4, seed = 0, points = 400, width, signal } = options
  for (const [name, value] of Object.entries({ steps, vectors, points })) {
    if (Number.isInteger(value) && value > 0) continue
    throw new BeyondgradError('value', `spectralDensity: ${name} must be a positive integer, not ${value}`)
  }
  if (matrix !== 'hessian' && matrix !== 'ggn') {
    throw new BeyondgradError(
      'value',
      `spectralDensity: matrix is "hessian" or "ggn", not "${String(matrix)}"`,
    )
  }
  if (width !== undefined && !(width > 0 && width < Infinity)) {
    throw new BeyondgradError('value', `spectralDensity: width must be a positive number, not ${width}`)
  }
  if (sizeOf(loss.shape) !== 1) {
    throw new BeyondgradError(
      'shape',
      `spectralDensity: the loss has shape ${formatShape(loss.shape)} and must be one number`,
    )
  }
  const parameters = [...parametersOf([loss], options.parameters)].map(([parameter]) => parameter)
  const dimension = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  if (dimension === 0) {
    throw new BeyondgradError('value', 'spectralDensity: the loss depends on no trainable parameter')
  }
  const each = Math.min(steps, dimension)
  const { product, dispose } = curvatureProduct(loss, matrix, parameters, options)
  const quadratures: Quadrature[] = []
  let done = 0
  try {
    for (let vector = 0; vector < vectors; vector++) {
      const start = startingVector(seed, vector, dimension)
      const counted = (): void => {
        options.progress?.({ done: ++done, total: vectors * each })
        if (signal?.aborted === true) throw cancelled('spectralDensity was cancelled')
      }
      quadratures.push(await lanczos(product, start, each, counted))
    }
  } finally {
    await dispose()
  }
  return { dimension, quadratures, ...average(quadratures, points, width) }
}

/** Standard normal numbers, so that every direction is as likely as another. */
export function startingVector(seed: number, vector: number, dimension: number): Float64Array {
  const start = new Float64Array(dimension)
  fillRandom({ distribution: 'normal', seed, stream: `lanczos ${vector}` }, 0, 1, 1, dimension, start)
  return start
}

function average(
  quadratures: readonly Quadrature[],
  points: number,
  given: number | undefined,
): Omit<SpectralDensity, 'dimension' | 'quadratures'> {
  const pairs = quadratures
    .flatMap(({ nodes, weights }) =>
      Array.from(nodes, (node, i) => [node, weights[i]! / quadratures.length] as const),
    )
    .sort(([a], [b]) => a - b)
  const [smallest, largest] = [pairs[0]![0], pairs.at(-1)![0]]
  // A spectrum that is one point has some width, too.
  const width = given ?? ((largest - smallest) / 100 || Math.abs(largest) / 100 || 0.01)
  const margin = 5 * width
  const [from, to] = [smallest - margin, largest + margin]
  const at = Float64Array.from(
    { length: points },
    (_, i) => from + ((to - from) * i) / Math.max(1, points - 1),
  )
  const density = at.map((x) =>
    pairs.reduce((sum, [node, weight]) => sum + weight * Math.exp(-0.5 * ((x - node) / width) ** 2), 0),
  )
  return {
    nodes: Float64Array.from(pairs, ([node]) => node),
    weights: Float64Array.from(pairs, ([, weight]) => weight),
    smallest,
    largest,
    grid: { at, density: density.map((x) => x / (width * Math.sqrt(2 * Math.PI))) },
  }
}
