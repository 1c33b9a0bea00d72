import { backward, checkPlugin, crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { evaluate, intTensor, type NDArray, reshape, tensor, type Tensor } from '@beyondgrad/tensor'
import { type BruteForce, checkResult } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import plugin, { GradientNoiseScale, smoothed } from '../src/index.ts'

const model = Sequential(Conv2d(1, 2, 2, { seed: 1 }), Tanh(), Flatten(), Linear(8, 3, { seed: 2 }))
const x = reshape(tensor(Array.from({ length: 45 }, (_, i) => Math.sin(3 * i))), [5, 1, 3, 3])
const y = intTensor([0, 1, 2, 1, 0])

/** Gradients of the samples' own losses, for each parameter: rows of samples. */
async function ownGradients(at: BruteForce): Promise<number[][][]> {
  const all = await Promise.all(at.parameters.map((parameter) => at.sampleGradients(parameter)))
  return all.map(({ rows, columns, data }) =>
    Array.from({ length: rows }, (_, n) =>
      [...data.slice(n * columns, (n + 1) * columns)].map((g) => g / at.scale),
    ),
  )
}

/** The sample variance of every entry, with divisor N − 1, and |mean|² less what noise adds to it. */
function estimateOf(gradients: readonly (readonly number[])[]): { noise: number; signal: number } {
  const n = gradients.length
  let [noise, squares] = [0, 0]
  for (const entry of gradients[0]!.keys()) {
    const values = gradients.map((gradient) => gradient[entry]!)
    const mean = values.reduce((a, b) => a + b) / n
    squares += mean ** 2
    noise += values.reduce((total, value) => total + (value - mean) ** 2, 0) / (n - 1)
  }
  return { noise, signal: squares - noise / n }
}

describe('GradientNoiseScale', () => {
  it.each(['mean', 'sum'] as const)('is what samples alone say (%s)', async (reduction) => {
    await checkResult(GradientNoiseScale(), {
      model,
      loss: (output: Tensor, target: Tensor<'int32'>) => crossEntropy(output, target, { reduction }),
      inputs: x,
      targets: y,
      compare: async (result, at, demand) => {
        const gradients = await ownGradients(at)
        const estimates = gradients.map(estimateOf)
        estimates.forEach(({ noise, signal }, i) => {
          const { name } = at.parameters[i]!
          demand(`noise of ${name}`, result.byParameter.get(name).noise, [noise])
          demand(`signal of ${name}`, result.byParameter.get(name).signal, [signal])
        })
        const whole = estimateOf(Array.from({ length: 5 }, (_, n) => gradients.flatMap((rows) => rows[n]!)))
        demand('noise', result.noise, [whole.noise])
        demand('signal', result.signal, [whole.signal])
        demand('scale', result.scale, [whole.noise / whole.signal])
      },
    })
  })

  it('does not depend on the scale of the loss', async () => {
    const scaleOf = async (factor: number): Promise<number> => {
      const loss = crossEntropy(model(x), y).mul(factor)
      const { found } = await evaluate(backward(loss, { found: GradientNoiseScale() }))
      return found.scale.data[0]!
    }
    expect(await scaleOf(7)).toBeCloseTo(await scaleOf(1), 10)
  })

  it('is unbiased: the mean over all batches of two is what the population has', async () => {
    // Of a population of four, drawn with replacement: |G|² and tr Σ with divisor N are exact.
    const points = [
      [1, 2],
      [0.5, -1],
      [-2, 0.3],
      [0.1, 0.7],
    ]
    const targets = [0.3, -1, 2, 0.4]
    const net = Linear(2, 1, { seed: 3 })
    const lossOf = (which: readonly number[]): Tensor =>
      mseLoss(net(tensor(which.map((i) => points[i]!))), tensor(which.map((i) => [targets[i]!])), {
        reduction: 'sum',
      })
    const pairs = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => [i, j]))
    const found = await Promise.all(
      pairs.map(async (pair) => (await evaluate(backward(lossOf(pair), { at: GradientNoiseScale() }))).at),
    )
    const population = (await evaluate(backward(lossOf([0, 1, 2, 3]), { at: GradientNoiseScale() }))).at
    const meanOf = (each: (one: (typeof found)[number]) => number): number =>
      found.reduce((total, one) => total + each(one), 0) / found.length
    // Of the population's estimate with N = 4: its variance with divisor 3, and |mean|² less a quarter of that.
    const variance = (population.noise.data[0]! * 3) / 4
    const square = population.signal.data[0]! + population.noise.data[0]! / 4
    expect(meanOf(({ noise }) => noise.data[0]!)).toBeCloseTo(variance, 10)
    expect(meanOf(({ signal }) => signal.data[0]!)).toBeCloseTo(square, 10)
  })

  it('refuses a batch of one', () => {
    const loss = crossEntropy(Linear(2, 2, { seed: 1 })(tensor([[1, 2]])), intTensor([1]))
    expect(() => backward(loss, { scale: GradientNoiseScale() })).toThrow(/1 sample has no variance/)
  })
})

describe('smoothed', () => {
  const scalar = (value: number): NDArray => ({ shape: [], dtype: 'float32', data: Float32Array.of(value) })

  it('is the ratio of running means, which start with the first step', () => {
    const smooth = smoothed(0.75)
    expect(smooth({ noise: scalar(6), signal: scalar(2) })).toBe(3)
    // Weights 3/16 and 1/4 for the first and second step.
    expect(smooth({ noise: scalar(1), signal: scalar(-1) })).toBeCloseTo(
      ((3 / 16) * 6 + (1 / 4) * 1) / ((3 / 16) * 2 - 1 / 4),
      12,
    )
  })

  it.each([-0.1, 1, NaN])('refuses the decay %d', (decay) => {
    expect(() => smoothed(decay)).toThrow(/must be at least 0 and below 1/)
  })
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
  expect(Object.keys(plugin.quantities ?? {})).toEqual(['gradient-noise-scale'])
})
