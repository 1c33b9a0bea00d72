/** @file Approximate posteriors of networks against dense constructions from brute force. */
import { crossEntropy, type Module, mseLoss } from '@beyondgrad/autograd'
import { Conv1d, ConvTranspose1d, Flatten, Linear, moduleOf, Sequential, Tanh } from '@beyondgrad/nn'
import { intTensor, reshape, tensor, type Tensor } from '@beyondgrad/tensor'
import { bruteForce, checkExtension, type BruteForce, type Matrix as Dense } from '@beyondgrad/testing'
import { determinant, inverse, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { fitLaplace, PosteriorVariance } from '../src/index.ts'

const inputs = tensor([
  [0.5, -1, 2],
  [1.5, 0.25, -0.5],
  [-1, 0.75, 1],
  [0.25, 2, -2],
])
const labels = intTensor([2, 0, 1, 2])
const values = tensor([
  [1, 0.5, -1],
  [0, 2, 1],
  [-0.5, 1, 0.25],
  [1, 1, 0],
])
const batches = (targets: Tensor | Tensor<'int32'>) => [{ inputs, targets }]
const planes = moduleOf((x: Tensor) => reshape(x, [-1, 1, 3]))

const networks: readonly { readonly name: string; readonly model: () => Module }[] = [
  {
    name: 'dense',
    model: () => Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 3, { seed: 2 })),
  },
  {
    name: 'convolutions, one of them transposed',
    model: () =>
      Sequential(
        planes,
        Conv1d(1, 4, 2, { seed: 1 }),
        Tanh(),
        ConvTranspose1d(4, 2, 2, { seed: 2, groups: 2 }),
        Flatten(),
        Linear(6, 3, { seed: 3 }),
      ),
  },
]

const problem = (model: Module) => ({
  model,
  loss: (output: Tensor, target: Tensor<'int32'>) => crossEntropy(output, target, { reduction: 'sum' }),
  inputs,
  targets: labels,
})

const toMatrix = ({ rows, columns, data }: Dense): Matrix =>
  Matrix.from1DArray(rows, columns, Array.from(data))

/** J Σ Jᵀ of every sample, with Σ the inverse of what `precisionOf` says for each parameter. */
async function covariances(
  at: BruteForce,
  precisionOf: (ggn: Matrix, name: string) => Matrix,
): Promise<number[]> {
  const sums = Array.from({ length: at.samples }, () => Matrix.zeros(3, 3))
  for (const parameter of at.parameters) {
    const posterior = inverse(precisionOf(toMatrix(await at.ggn(parameter)), parameter.name))
    for (const [n, each] of (await at.jacobians(parameter)).entries()) {
      const j = toMatrix(each)
      sums[n]!.add(j.mmul(posterior).mmul(j.transpose()))
    }
  }
  return sums.flatMap((sum) => sum.to1DArray())
}

const close = (found: ArrayLike<number>, expected: readonly number[], rtol = 1e-8): void => {
  expect(found.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  expected.forEach((x, i) => expect(Math.abs(found[i]! - x), `element ${i}`).toBeLessThan(rtol * scale))
}

describe.each(networks)('of $name', ({ model }) => {
  it('the diagonal posterior has the variances that dense matrices give', async () => {
    const net = model()
    const at = await bruteForce(problem(net))
    const laplace = await fitLaplace(batches(labels), {
      model: net,
      likelihood: 'classification',
      structure: 'diagonal',
      priorPrecision: 0.8,
    })
    const { covariance } = await laplace.predict(inputs, { chunk: 3 })
    const expected = await covariances(at, (ggn) => Matrix.diag(ggn.diagonal().map((h) => h + 0.8)))
    close(covariance.data, expected)
  })
})

describe('the Kronecker posterior', () => {
  it('of one sample and dense layers has whole blocks: variances are those of the dense matrices', async () => {
    const net = networks[0]!.model()
    const [one, label] = [tensor([[0.5, -1, 2]]), intTensor([2])]
    const at = await bruteForce({ ...problem(net), inputs: one, targets: label })
    const prior = { '0.weight': 0.5, '0.bias': 1, '2.weight': 2, '2.bias': 4 }
    const laplace = await fitLaplace([{ inputs: one, targets: label }], {
      model: net,
      likelihood: 'classification',
      priorPrecision: prior,
    })
    const expected = await covariances(at, (ggn, name) =>
      Matrix.add(ggn, Matrix.eye(ggn.rows).mul(prior[name as keyof typeof prior])),
    )
    close((await laplace.predict(one)).covariance.data, expected)
    const parts = await Promise.all(
      at.parameters.map(async (parameter) => {
        const tau = prior[parameter.name as keyof typeof prior]
        const ggn = toMatrix(await at.ggn(parameter)).mul(1 / tau)
        const { data } = await parameter.value.read()
        return (
          Math.log(determinant(ggn.add(Matrix.eye(ggn.rows)))) + tau * data.reduce((sum, x) => sum + x * x, 0)
        )
      }),
    )
    const total = laplace.logLikelihood - 0.5 * parts.reduce((a, b) => a + b, 0)
    expect(laplace.logMarginalLikelihood()).toBeCloseTo(total, 8)
  })

  it('of a transposed convolution at one position in groups knows which entry is which', async () => {
    const net = Sequential(
      Linear(3, 4, { seed: 4 }),
      moduleOf((x: Tensor) => reshape(x, [-1, 4, 1])),
      ConvTranspose1d(4, 4, 1, { seed: 5, groups: 2 }),
      Flatten(),
      Linear(4, 3, { seed: 6 }),
    )
    const [one, label] = [tensor([[0.5, -1, 2]]), intTensor([1])]
    const at = await bruteForce({ ...problem(net), inputs: one, targets: label })
    const laplace = await fitLaplace([{ inputs: one, targets: label }], {
      model: net,
      likelihood: 'classification',
    })
    // Groups have blocks of their own.
    const apart = (ggn: Matrix, name: string): Matrix => {
      if (name === '2.weight') {
        for (let i = 0; i < 8; i++) for (let j = 0; j < 8; j++) if (i < 4 !== j < 4) ggn.set(i, j, 0)
      }
      return ggn.add(Matrix.eye(ggn.rows))
    }
    close((await laplace.predict(one)).covariance.data, await covariances(at, apart))
  })

  it('is the same in one batch and in several', async () => {
    const net = networks[1]!.model()
    const options = { model: net, likelihood: 'classification', structure: 'kronecker' } as const
    const rows = [
      [0.5, -1, 2],
      [1.5, 0.25, -0.5],
      [-1, 0.75, 1],
      [0.25, 2, -2],
    ]
    const part = (from: number, to: number) => ({
      inputs: tensor(rows.slice(from, to)),
      targets: intTensor([2, 0, 1, 2].slice(from, to)),
    })
    const whole = await fitLaplace([part(0, 4)], options)
    const split = await fitLaplace([part(0, 3), part(3, 4)], options)
    expect(split.logMarginalLikelihood()).toBeCloseTo(whole.logMarginalLikelihood(), 8)
    close((await split.predict(inputs)).covariance.data, [...(await whole.predict(inputs)).covariance.data])
  })
})

describe('the evidence', () => {
  it.each(['diagonal', 'kronecker'] as const)('is largest at the best prior (%s)', async (structure) => {
    const net = networks[0]!.model()
    const laplace = await fitLaplace(batches(values), {
      model: net,
      likelihood: 'regression',
      structure,
      noise: 0.7,
    })
    for (const per of ['network', 'parameter'] as const) {
      const best = laplace.withBestPrior({ per })
      const top = best.logMarginalLikelihood()
      expect(best.noise).toBe(0.7)
      const scaled = (factor: number): Record<string, number> =>
        Object.fromEntries(Object.entries(best.priorPrecision).map(([name, tau]) => [name, tau * factor]))
      for (const factor of [0.01, 0.9, 0.999, 1.001, 1.1, 100]) {
        expect(best.with({ priorPrecision: scaled(factor) }).logMarginalLikelihood()).toBeLessThan(top)
      }
      // A grid over eleven decades finds nothing better.
      for (let e = -6; e <= 5 && per === 'network'; e += 0.25) {
        expect(laplace.with({ priorPrecision: 10 ** e }).logMarginalLikelihood()).toBeLessThanOrEqual(top)
      }
    }
    const each = laplace.withBestPrior({ per: 'parameter' }).logMarginalLikelihood()
    expect(each).toBeGreaterThanOrEqual(laplace.withBestPrior().logMarginalLikelihood())
  })
})

describe('probabilities', () => {
  /** E[σ(f)] for f ~ N(mean, variance), by the trapezoidal rule, which is as good as exact here. */
  const expectedSigmoid = (mean: number, variance: number): number => {
    let sum = 0
    for (let z = -9; z <= 9; z += 1 / 256) {
      sum += Math.exp(-z * z * 0.5) / (1 + Math.exp(-(mean + z * Math.sqrt(variance)))) / 256
    }
    return sum / Math.sqrt(2 * Math.PI)
  }

  it('are near the integral over the logits, and nearer than those of the mean', async () => {
    // Two classes whose logits are f and 0 for sure: softmax is a logistic function of f.
    const weight = Linear(3, 1, { seed: 3, bias: false })
    const pair = moduleOf(
      (x: Tensor) => {
        const f = weight(x)
        return f.mul(tensor([[1, 0]]))
      },
      [...weight.parameters].map(([p]) => p),
    )
    const targets = intTensor([1, 0, 1, 0])
    const laplace = await fitLaplace([{ inputs, targets }], {
      model: pair,
      likelihood: 'classification',
      priorPrecision: 0.3,
    })
    const far = tensor([
      [3, -2, 4],
      [-5, 1, 2],
      [0.5, 0.5, 0.5],
    ])
    const { mean, variance, probabilities } = await laplace.predict(far)
    for (let i = 0; i < 3; i++) {
      const [f, v] = [mean.data[2 * i]!, variance.data[2 * i]!]
      const integral = expectedSigmoid(f, v)
      expect(Math.abs(probabilities!.data[2 * i]! - integral)).toBeLessThan(0.025)
      const plain = 1 / (1 + Math.exp(-f))
      expect(Math.abs(probabilities!.data[2 * i]! - integral)).toBeLessThanOrEqual(Math.abs(plain - integral))
      expect(probabilities!.data[2 * i]! + probabilities!.data[2 * i + 1]!).toBeCloseTo(1, 12)
    }
  })
})

it('PosteriorVariance is the diagonal posterior of a batch', async () => {
  for (const reduction of ['mean', 'sum'] as const) {
    await checkExtension(PosteriorVariance({ priorPrecision: 0.5, repeats: 3 }), {
      model: networks[0]!.model(),
      loss: (output: Tensor, target: Tensor) => mseLoss(output, target, { reduction }),
      inputs,
      targets: values,
      definition: async (at, parameter) => {
        const { rows, data } = await at.ggn(parameter)
        const scale = reduction === 'mean' ? 12 : 1
        return Float64Array.from({ length: rows }, (_, p) => 1 / (3 * scale * data[p * rows + p]! + 0.5))
      },
    })
  }
})
