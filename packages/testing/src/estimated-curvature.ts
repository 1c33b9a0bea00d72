/** @file Definitions whose curvature is an estimate of the loss's Hessian: drawn columns, or slopes at the targets. */
import { fillRandom } from '@beyondgrad/tensor'
import { type BruteForce, type Matrix, withLossHessians } from './brute-force.ts'
import { type Definition, definitions } from './definitions.ts'

export interface MonteCarloDefinition {
  /** Whose draws: every loss has its way to make columns of random numbers. */
  readonly loss: 'cross-entropy' | 'mse' | 'bce-with-logits'
  /** Columns a sample. Default: 1. */
  readonly samples?: number
  /** Default: 0. */
  readonly seed?: number
  /** What a sample's own loss is multiplied with in the whole beyond `scale`, as 1 / D for a mean over D outputs. */
  readonly factor?: number
}

/**
 * A definition with drawn columns in the place of the loss's Hessian: c/M Σₘ sₙₘ sₙₘᵀ with s the gradient of −log p(y | output), y
 * drawn from the model's own distribution by the same pure function of seed, sample and draw.
 */
export function drawn(definition: Definition, options: MonteCarloDefinition): Definition {
  return (at, parameter) => definition(drawnCurvature(at, options), parameter)
}

/** What `drawn` gives to a definition. */
export function drawnCurvature(at: BruteForce, options: MonteCarloDefinition): BruteForce {
  const { loss, samples: draws = 1, seed = 0, factor = 1 } = options
  return withLossHessians(at, async () => {
    const { rows, columns, data } = await at.outputs()
    const positions = loss === 'cross-entropy' ? 1 : columns
    const numbers = new Float64Array(draws * rows * positions)
    const distribution = loss === 'mse' ? 'normal' : 'uniform'
    fillRandom({ distribution, seed, stream: loss }, 0, draws, rows, positions, numbers)
    return Array.from({ length: rows }, (_, n) => {
      const output = data.subarray(n * columns, (n + 1) * columns)
      const found = Array.from({ length: draws }, (__, m) => {
        const from = (m * rows + n) * positions
        return columnOf[loss](output, numbers.subarray(from, from + positions))
      })
      return outerProducts(found, (at.scale * factor) / draws)
    })
  })
}

/** `diag-ggn-mc`: (1 / M) Σₙₘ c (Jₙᵀ sₙₘ)², as `drawn` has it. */
export function monteCarloDiagonal(options: MonteCarloDefinition): Definition {
  return drawn(definitions['diag-ggn'], options)
}

/**
 * A definition with the slopes at the targets in the place of the loss's Hessian: c ∇ℓₙ ∇ℓₙᵀ, so that `diag-ggn` becomes the
 * diagonal of the empirical Fisher matrix.
 */
export function empirical(
  definition: Definition,
  { factor = 1 }: Pick<MonteCarloDefinition, 'factor'> = {},
): Definition {
  return (at, parameter) =>
    definition(
      withLossHessians(at, async () => {
        const { rows, columns, data } = await at.slopes()
        // Slopes of the whole hold the scale c once already.
        return Array.from({ length: rows }, (_, n) =>
          outerProducts([data.subarray(n * columns, (n + 1) * columns)], 1 / (at.scale * factor)),
        )
      }),
      parameter,
    )
}

function outerProducts(columns: readonly Float64Array[], weight: number): Matrix {
  const size = columns[0]!.length
  const data = new Float64Array(size * size)
  for (const column of columns) {
    for (let c = 0; c < size; c++)
      for (let d = 0; d < size; d++) data[c * size + d]! += weight * column[c]! * column[d]!
  }
  return { rows: size, columns: size, data }
}

/** The gradient of −log p(y | output) for a drawn y. */
const columnOf = {
  'cross-entropy': (output: Float64Array, [u]: Float64Array): Float64Array => {
    const top = Math.max(...output)
    const exps = output.map((x) => Math.exp(x - top))
    const total = exps.reduce((a, b) => a + b, 0)
    let label = 0
    for (let below = exps[0]! / total; below <= u! && label < output.length - 1;)
      below += exps[++label]! / total
    return exps.map((e, c) => e / total - (c === label ? 1 : 0))
  },
  mse: (_output: Float64Array, normal: Float64Array): Float64Array => normal.map((z) => z * Math.SQRT2),
  'bce-with-logits': (output: Float64Array, u: Float64Array): Float64Array =>
    output.map((x, d) => {
      const p = 1 / (1 + Math.exp(-x))
      return p - (u[d]! < p ? 1 : 0)
    }),
}
