/** @file BackPACK's quantities as their definitions say, from every sample's own derivatives and dense curvature. */
import type { Parameter } from '@beyondgrad/autograd'
import { fillRandom } from '@beyondgrad/tensor'
import type { BruteForce, Matrix } from './brute-force.ts'

/** What a quantity is for one parameter, row-major. */
export type Definition = (at: BruteForce, parameter: Parameter) => Promise<Float64Array>

/** Σ over rows of f(entry), for every column. */
function overRows({ rows, columns, data }: Matrix, f: (x: number, column: number) => number): Float64Array {
  const result = new Float64Array(columns)
  for (let n = 0; n < rows; n++) {
    for (let p = 0; p < columns; p++) result[p]! += f(data[n * columns + p]!, p)
  }
  return result
}

function diagonal({ rows, data }: Matrix): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => data[i * rows + i]!)
}

/** The diagonal of Jᵀ H J. */
function diagonalOfProduct({ rows, columns, data }: Matrix, h: Matrix): Float64Array {
  const result = new Float64Array(columns)
  for (let p = 0; p < columns; p++) {
    for (let c = 0; c < rows; c++) {
      for (let d = 0; d < rows; d++) {
        result[p]! += data[c * columns + p]! * h.data[c * rows + d]! * data[d * columns + p]!
      }
    }
  }
  return result
}

/** Definitions by the names that the command line and files use; `diag-ggn-mc` needs to know how draws are made. */
export const definitions: Readonly<
  Record<
    | 'gradient'
    | 'batch-gradient'
    | 'batch-l2'
    | 'sum-grad-squared'
    | 'variance'
    | 'diag-ggn'
    | 'batch-diag-ggn'
    | 'diag-hessian'
    | 'batch-diag-hessian'
    | 'gradient-gram'
    | 'batch-jacobian-l2',
    Definition
  >
> = {
  gradient: (at, parameter) => at.gradient(parameter),
  'batch-gradient': async (at, parameter) => (await at.sampleGradients(parameter)).data,
  'batch-l2': async (at, parameter) => {
    const { rows, columns, data } = await at.sampleGradients(parameter)
    return Float64Array.from({ length: rows }, (_, n) =>
      data.subarray(n * columns, (n + 1) * columns).reduce((sum, g) => sum + g * g, 0),
    )
  },
  'sum-grad-squared': async (at, parameter) => overRows(await at.sampleGradients(parameter), (g) => g * g),
  variance: async (at, parameter) => {
    const gradients = await at.sampleGradients(parameter)
    const n = gradients.rows
    const means = overRows(gradients, (g) => g / n)
    return overRows(gradients, (g, p) => (g - means[p]!) ** 2 / n)
  },
  'diag-ggn': async (at, parameter) => diagonal(await at.ggn(parameter)),
  'batch-diag-ggn': async (at, parameter) => {
    const [jacobians, hessians] = [await at.jacobians(parameter), await at.lossHessians()]
    return Float64Array.from(jacobians.flatMap((j, n) => [...diagonalOfProduct(j, hessians[n]!)]))
  },
  'diag-hessian': async (at, parameter) => diagonal(await at.hessian(parameter)),
  'batch-diag-hessian': async (at, parameter) =>
    Float64Array.from((await at.sampleHessians(parameter)).flatMap((each) => [...diagonal(each)])),
  'gradient-gram': async (at, parameter) => {
    const { rows, columns, data } = await at.sampleGradients(parameter)
    return Float64Array.from({ length: rows * rows }, (_, at) => {
      const [m, n] = [Math.floor(at / rows) * columns, (at % rows) * columns]
      let sum = 0
      for (let p = 0; p < columns; p++) sum += data[m + p]! * data[n + p]!
      return sum
    })
  },
  'batch-jacobian-l2': async (at, parameter) =>
    Float64Array.from(
      (await at.jacobians(parameter)).map(({ data }) => data.reduce((sum, x) => sum + x * x, 0)),
    ),
}

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
 * `diag-ggn-mc`: (1 / M) Σₙₘ c (Jₙᵀ sₙₘ)² with s the gradient of −log p(y | output), y drawn from the model's own
 * distribution by the same pure function of seed, sample and draw.
 */
export function monteCarloDiagonal(options: MonteCarloDefinition): Definition {
  const { loss, samples: draws = 1, seed = 0, factor = 1 } = options
  return async (at, parameter) => {
    const { rows, columns, data } = await at.outputs()
    const jacobians = await at.jacobians(parameter)
    const positions = loss === 'cross-entropy' ? 1 : columns
    const drawn = new Float64Array(draws * rows * positions)
    const distribution = loss === 'mse' ? 'normal' : 'uniform'
    fillRandom({ distribution, seed, stream: loss }, 0, draws, rows, positions, drawn)
    const size = jacobians[0]!.columns
    const result = new Float64Array(size)
    for (let m = 0; m < draws; m++) {
      for (let n = 0; n < rows; n++) {
        const from = (m * rows + n) * positions
        const output = data.subarray(n * columns, (n + 1) * columns)
        const column = columnOf[loss](output, drawn.subarray(from, from + positions))
        const slope = pulledBack(jacobians[n]!, column)
        for (let p = 0; p < size; p++) result[p]! += (at.scale * factor * slope[p]! ** 2) / draws
      }
    }
    return result
  }
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

function pulledBack({ rows, columns, data }: Matrix, column: Float64Array): Float64Array {
  return Float64Array.from({ length: columns }, (_, p) => {
    let sum = 0
    for (let c = 0; c < rows; c++) sum += data[c * columns + p]! * column[c]!
    return sum
  })
}
