/** @file BackPACK's quantities as their definitions say, from every sample's own derivatives and dense curvature. */
import type { Parameter } from '@beyondgrad/autograd'
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

/**
 * Definitions by the names that the command line and files use. What is drawn needs to know how (`drawn`), and the empirical Fisher
 * matrix what its loss averages over (`empirical`).
 */
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
