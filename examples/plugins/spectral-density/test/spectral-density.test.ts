/** @file Densities against the dense spectra of small networks. */
import { backward, checkPlugin, crossEntropy, ggnvp, hvp, parameterMap } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import {
  type Engine,
  evaluate,
  intTensor,
  referenceEngine,
  reshape,
  sizeOf,
  slice,
  tensor,
  type Tensor,
  eye,
} from '@beyondgrad/tensor'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import plugin, { type Curvature, lanczos, spectralDensity, SpectralMoments } from '../src/index.ts'

const model = Sequential(Linear(2, 3, { seed: 1 }), Tanh(), Linear(3, 2, { seed: 2 }))
const inputs = tensor([
  [0.5, -1],
  [1.5, 0.25],
  [-1, 0.75],
  [0.3, 0.6],
])
const loss = crossEntropy(model(inputs), intTensor([0, 1, 1, 0]))
const parameters = [...model.parameters].map(([p]) => p)
const dimension = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)

/** The whole matrix, a column for each unit vector. */
async function dense(matrix: Curvature): Promise<Matrix> {
  const column = (flat: Tensor): Tensor[] => {
    let from = 0
    const parts = parameters.map(({ shape }) => {
      const to = from + sizeOf(shape)
      const part = reshape(slice(flat, 0, from, to), shape)
      from = to
      return part
    })
    if (matrix === 'hessian')
      return hvp(
        loss,
        parameters.map(({ value }) => value),
        parts,
      )
    const product = ggnvp(
      loss,
      parameterMap(parameters).map((_, key) => parts[parameters.indexOf(key)]!),
    )
    return parameters.map((parameter) => product.get(parameter))
  }
  const rows = Array.from({ length: dimension }, async (_, i) => {
    const unit = reshape(slice(eye(dimension), 0, i, i + 1), [dimension])
    return (await evaluate(column(unit))).flatMap(({ data }) => [...data])
  })
  return new Matrix(await Promise.all(rows))
}

const spectrum = (matrix: Matrix): number[] =>
  new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues.sort((a, b) => a - b)

/** tr Hᵏ / P. */
const moment = (eigenvalues: readonly number[], k: number): number =>
  eigenvalues.reduce((sum, x) => sum + x ** k, 0) / eigenvalues.length

const quadratureMoment = (nodes: Float64Array, weights: Float64Array, k: number): number =>
  nodes.reduce((sum, x, i) => sum + weights[i]! * x ** k, 0)

describe.each(['hessian', 'ggn'] as const)('the spectrum of the %s', (matrix) => {
  it('is exact with as many steps as dimensions', async () => {
    const eigenvalues = spectrum(await dense(matrix))
    const { nodes, smallest, largest, quadratures } = await spectralDensity(loss, {
      matrix,
      steps: 500,
      vectors: 2,
    })
    expect(largest).toBeCloseTo(eigenvalues.at(-1)!, 10)
    expect(smallest).toBeCloseTo(eigenvalues[0]!, 10)
    expect(quadratures.every((each) => each.nodes.length <= dimension)).toBe(true)
    // Every node is an eigenvalue, and every eigenvalue is a node.
    const distance = (x: number, among: Iterable<number>): number =>
      Math.min(...[...among].map((y) => Math.abs(x - y)))
    for (const node of nodes) expect(distance(node, eigenvalues)).toBeLessThan(1e-9)
    for (const eigenvalue of eigenvalues) expect(distance(eigenvalue, nodes)).toBeLessThan(1e-9)
  })

  it('has moments that average to traces, within five standard errors', async () => {
    const eigenvalues = spectrum(await dense(matrix))
    const { quadratures, nodes, weights } = await spectralDensity(loss, {
      matrix,
      steps: 4,
      vectors: 200,
      seed: 3,
    })
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12)
    for (const k of [1, 2, 3]) {
      const each = quadratures.map((q) => quadratureMoment(q.nodes, q.weights, k))
      const mean = quadratureMoment(nodes, weights, k)
      const deviation = Math.sqrt(each.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (each.length - 1))
      expect(Math.abs(mean - moment(eigenvalues, k))).toBeLessThan((5 * deviation) / Math.sqrt(each.length))
      expect(deviation / Math.sqrt(each.length)).toBeLessThan(0.2 * moment(eigenvalues.map(Math.abs), k))
    }
  })

  it('has a density that integrates to 1 and has the mean of the nodes', async () => {
    const { grid, nodes, weights } = await spectralDensity(loss, { matrix, points: 2000 })
    const step = grid.at[1]! - grid.at[0]!
    expect(grid.density.reduce((a, b) => a + b) * step).toBeCloseTo(1, 4)
    const mean = grid.density.reduce((sum, x, i) => sum + x * grid.at[i]!, 0) * step
    expect(mean).toBeCloseTo(quadratureMoment(nodes, weights, 1), 4)
  })
})

describe('lanczos', () => {
  const matrix = Matrix.from1DArray(
    5,
    5,
    Array.from({ length: 25 }, (_, i) => Math.sin(i)),
  )
  const symmetric = Matrix.add(matrix, matrix.transpose())
  const product = (vector: Float64Array): Promise<number[]> =>
    Promise.resolve(symmetric.mmul(Matrix.columnVector([...vector])).to1DArray())
  const start = Float64Array.of(1, -2, 0.5, 3, 1)

  it.each([1, 2, 3])(
    '%d steps integrate polynomials up to twice as many degrees, less one, exactly',
    async (steps) => {
      const { nodes, weights } = await lanczos(product, start, steps)
      let power = Matrix.columnVector([...start])
      const u = power.clone()
      for (let k = 0; k < 2 * steps; k++) {
        const expected = u.transpose().mmul(power).get(0, 0) / u.dot(u)
        expect(quadratureMoment(nodes, weights, k)).toBeCloseTo(expected, 9)
        power = symmetric.mmul(power)
      }
    },
  )

  it('stops where the start has seen all that it can reach', async () => {
    const flat = (vector: Float64Array): Promise<Float64Array> =>
      Promise.resolve(vector.map((x, i) => (i < 2 ? 3 * x : 0)))
    const { nodes, weights } = await lanczos(flat, start, 5)
    expect([...nodes]).toEqual([expect.closeTo(0, 10), expect.closeTo(3, 10)])
    expect(weights[1]).toBeCloseTo(5 / 15.25, 10)
  })
})

describe('spectralDensity', () => {
  it('builds one executable, however many steps and vectors', async () => {
    let compiled = 0
    const inner = referenceEngine()
    const engine: Engine = { ...inner, compile: (graph) => (compiled++, inner.compile(graph)) }
    const calls: number[] = []
    await spectralDensity(loss, {
      engine,
      steps: 5,
      vectors: 3,
      progress: ({ done, total }) => calls.push(done / total),
    })
    expect(compiled).toBe(1)
    expect(calls).toEqual(Array.from({ length: 15 }, (_, i) => (i + 1) / 15))
  })

  it('is the same for the same seed, and another for another', async () => {
    const of = async (seed: number): Promise<number[]> => [
      ...(await spectralDensity(loss, { steps: 3, seed })).nodes,
    ]
    expect(await of(1)).toEqual(await of(1))
    expect(await of(1)).not.toEqual(await of(2))
  })

  it('stops when it is told to', async () => {
    const controller = new AbortController()
    let products = 0
    const running = spectralDensity(loss, {
      signal: controller.signal,
      progress: () => {
        if (++products === 3) controller.abort()
      },
    })
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect(products).toBe(3)
    await expect(spectralDensity(loss, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    })
  })

  it('looks at the parameters that it is given', async () => {
    const { dimension: found } = await spectralDensity(loss, { parameters: [model.parameters.get('2.bias')] })
    expect(found).toBe(2)
  })

  it('refuses what makes no sense', async () => {
    await expect(spectralDensity(loss, { steps: 0 })).rejects.toThrow(
      /steps must be a positive integer, not 0/,
    )
    await expect(spectralDensity(loss, { width: -1 })).rejects.toThrow(/width must be a positive number/)
    await expect(spectralDensity(loss, { matrix: 'fisher' as never })).rejects.toThrow(/not "fisher"/)
    await expect(spectralDensity(inputs)).rejects.toThrow(/must be one number/)
    await expect(spectralDensity(inputs.sum())).rejects.toThrow(/no trainable parameter/)
    await expect(spectralDensity(model(inputs).sum(), { matrix: 'ggn' })).rejects.toMatchObject({
      code: 'not-a-loss',
    })
    const net = Linear(2, 2, { seed: 1 })
    const changing = spectralDensity(crossEntropy(net(inputs), intTensor([0, 1, 1, 0])), {
      progress: () => net.parameters.get('bias').set(Float32Array.of(1, 2)),
    })
    await expect(changing).rejects.toThrow(/"bias" changed meanwhile/)
  })
})

it('SpectralMoments average to those of the dense spectrum', async () => {
  const eigenvalues = spectrum(await dense('hessian'))
  const samples = 400
  const { moments } = await evaluate(backward(loss, { moments: SpectralMoments({ samples, seed: 4 }) }))
  const [mean, second] = [moment(eigenvalues, 1), moment(eigenvalues, 2)]
  // Variances of the estimates are 2 Σ over what is beside the diagonal of squares, in H and H².
  const beside = (m: Matrix): number =>
    m
      .to2DArray()
      .flatMap((row, i) => row.filter((_, j) => i !== j))
      .reduce((s, x) => s + x * x, 0)
  const h = await dense('hessian')
  const error = (m: Matrix): number => (5 * Math.sqrt((2 * beside(m)) / samples)) / dimension
  expect(Math.abs(moments.mean.data[0]! - mean)).toBeLessThan(error(h))
  expect(Math.abs(moments.variance.data[0]! + moments.mean.data[0]! ** 2 - second)).toBeLessThan(
    error(h.mmul(h)),
  )
  expect(() => SpectralMoments({ samples: 0 })).toThrow(/positive integer/)
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
  expect(Object.keys(plugin.quantities ?? {})).toEqual(['spectral-moments'])
})
