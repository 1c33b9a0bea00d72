/** @file Where a Laplace approximation is no approximation: linear regression, against Bayes' rule. */
import { type Module, parameter } from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import { matmul, tensor, type Tensor, transpose } from '@beyondgrad/tensor'
import { CholeskyDecomposition, inverse, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { fitLaplace, type Laplace } from '../src/index.ts'

const samples = 6
const matrix = (columns: number, f: (n: number, i: number) => number): Matrix =>
  new Matrix(
    // Single precision holds them, so that they are the same numbers everywhere.
    Array.from({ length: samples }, (_, n) =>
      Array.from({ length: columns }, (__, i) => Math.fround(f(n, i))),
    ),
  )
const y = matrix(2, (n, i) => Math.cos(2.3 * (2 * n + i)))
const skew = matrix(3, (n, i) => Math.sin(n * n + 2 * i + 1))
/** Columns that are orthogonal, so that the posterior's precision is diagonal. */
const orthogonal = matrix(
  3,
  (n, i) => [1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, 1, -2, 1, 1, -2, 1][6 * i + n]!,
)

/** x Wᵀ with W [O, I] at the posterior's mean. */
function ridge(x: Matrix, precision: number, noise: number): Module {
  const inner = x
    .transpose()
    .mmul(x)
    .mul(1 / noise ** 2)
  const right = x
    .transpose()
    .mmul(y)
    .mul(1 / noise ** 2)
  const mean = inverse(inner.add(Matrix.eye(x.columns).mul(precision))).mmul(right)
  const data = Float64Array.from(mean.transpose().to1DArray())
  // Kept in double precision by the reference engine, whatever the type says.
  const initial = { shape: [2, x.columns], dtype: 'float32', data: data as unknown as Float32Array } as const
  const weight = parameter('w', initial)
  return moduleOf((a: Tensor) => matmul(a, transpose(weight.value)), [weight])
}

const fit = (
  x: Matrix,
  structure: 'diagonal' | 'kronecker',
  precision: number,
  noise: number,
): Promise<Laplace> => {
  const batch = (from: number, to: number) => ({
    inputs: tensor(x.to2DArray().slice(from, to)),
    targets: tensor(y.to2DArray().slice(from, to)),
  })
  const options = { likelihood: 'regression', structure, priorPrecision: precision, noise } as const
  // Batches of different sizes are the data set all the same.
  return fitLaplace([batch(0, 1), batch(1, 4), batch(4, 6)], {
    model: ridge(x, precision, noise),
    ...options,
  })
}

/** log N(y | 0, σ² I + X Xᵀ / τ), summed over the columns of y. */
function exactEvidence(x: Matrix, precision: number, noise: number): number {
  const covariance = x
    .mmul(x.transpose())
    .mul(1 / precision)
    .add(Matrix.eye(samples).mul(noise ** 2))
  const root = new CholeskyDecomposition(covariance).lowerTriangularMatrix
  const determinant = 2 * root.diagonal().reduce((sum, each) => sum + Math.log(each), 0)
  const square = y.transpose().mmul(inverse(covariance)).mmul(y).trace()
  return -0.5 * (square + y.columns * (determinant + samples * Math.log(2 * Math.PI)))
}

describe.each([
  { structure: 'kronecker', x: skew },
  { structure: 'diagonal', x: orthogonal },
] as const)('linear regression, $structure', ({ structure, x }) => {
  it.each([
    [1.7, 0.3],
    [0.02, 2],
  ])('has the evidence of Bayes at τ = %d, σ = %d', async (precision, noise) => {
    const laplace = await fit(x, structure, precision, noise)
    expect(laplace.logMarginalLikelihood()).toBeCloseTo(exactEvidence(x, precision, noise), 8)
  })

  it('has the predictive variance of Bayes', async () => {
    const laplace = await fit(x, structure, 1.7, 0.3)
    const posterior = inverse(
      x
        .transpose()
        .mmul(x)
        .mul(1 / 0.09)
        .add(Matrix.eye(3).mul(1.7)),
    )
    const { variance, covariance, probabilities } = await laplace.predict(tensor([[1, -2, 0.5]]))
    const at = Matrix.rowVector([1, -2, 0.5])
    const expected = at.mmul(posterior).mmul(at.transpose()).get(0, 0)
    expect(variance.data[0]).toBeCloseTo(expected, 8)
    expect([...covariance.data].map((v) => v / expected)).toEqual(
      [1, 0, 0, 1].map((v) => expect.closeTo(v, 8) as number),
    )
    expect(probabilities).toBeUndefined()
  })
})
