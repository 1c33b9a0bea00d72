import { backward, checkPlugin, crossEntropy } from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, Sequential, SGD, Tanh } from '@beyondgrad/nn'
import { compile, evaluate, intTensor, reshape, tensor, type Tensor } from '@beyondgrad/tensor'
import { checkResult } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import plugin, { PrivateGradient } from '../src/index.ts'

const model = Sequential(Conv2d(1, 2, 2, { seed: 1 }), Tanh(), Flatten(), Linear(8, 3, { seed: 2 }))
const x = reshape(tensor(Array.from({ length: 45 }, (_, i) => Math.sin(3 * i))), [5, 1, 3, 3])
const y = intTensor([0, 1, 2, 1, 0])

/** Clipping by its definition, from the gradients of samples that go through the net alone. */
function clippedSum(gradients: readonly (readonly Float64Array[])[], clip: number): Float64Array[] {
  const sums = gradients[0]!.map((g) => new Float64Array(g.length))
  for (const sample of gradients) {
    const norm = Math.hypot(...sample.flatMap((g) => [...g]))
    const factor = Math.min(1, clip / norm)
    sample.forEach((g, p) => g.forEach((value, i) => (sums[p]![i]! += factor * value)))
  }
  return sums
}

describe('PrivateGradient', () => {
  it.each(['mean', 'sum'] as const)(
    'without noise is the sum of clipped gradients (%s)',
    async (reduction) => {
      const clip = 1.3
      await checkResult(PrivateGradient({ clip, noise: 0 }), {
        model,
        loss: (output: Tensor, target: Tensor<'int32'>) => crossEntropy(output, target, { reduction }),
        inputs: x,
        targets: y,
        compare: async ({ gradient, norms, clipped }, at, demand) => {
          const { parameters, samples, scale } = at
          const rows = await Promise.all(parameters.map((p) => at.sampleGradients(p)))
          const gradients = Array.from({ length: samples }, (_, n) =>
            rows.map(({ data, columns }) => data.slice(n * columns, (n + 1) * columns).map((g) => g / scale)),
          )
          clippedSum(gradients, clip).forEach((sum, i) => {
            demand(
              `of ${parameters[i]!.name}`,
              gradient.get(parameters[i]!),
              sum.map((g) => g * scale),
            )
          })
          const sizes = gradients.map((sample) => Math.hypot(...sample.flatMap((g) => [...g])))
          demand('norms', norms, sizes)
          demand('clipped', clipped, [sizes.filter((size) => size > clip).length / samples])
          expect(sizes.some((size) => size > clip) && sizes.some((size) => size < clip)).toBe(true)
        },
      })
    },
  )

  it('adds noise of the promised size, the same for the same seed and step', async () => {
    const loss = crossEntropy(model(x), y)
    const options = { clip: 2, noise: 3, seed: 5 }
    const draws = 300
    const noise: number[] = []
    const { clean } = await evaluate(backward(loss, { clean: PrivateGradient({ ...options, noise: 0 }) }))
    for (let seed = 0; seed < draws; seed++) {
      const { noisy } = await evaluate(backward(loss, { noisy: PrivateGradient({ ...options, seed }) }))
      for (const [parameter, { data }] of noisy.gradient) {
        data.forEach((value, i) => noise.push(value - clean.gradient.get(parameter).data[i]!))
      }
    }
    const mean = noise.reduce((a, b) => a + b, 0) / noise.length
    const deviation = Math.sqrt(noise.reduce((a, b) => a + b * b, 0) / noise.length)
    // σ C / N, since the loss is a mean; five standard errors.
    const expected = (3 * 2) / 5
    expect(Math.abs(mean)).toBeLessThan((5 * expected) / Math.sqrt(noise.length))
    expect(Math.abs(deviation - expected)).toBeLessThan((5 * expected) / Math.sqrt(2 * noise.length))
  })

  it('trains: the noisy gradient goes to the optimiser in one execution', async () => {
    const net = Linear(2, 2, { seed: 1 })
    const optimizer = SGD(net.parameters, { learningRate: 0.5 })
    const inputs = tensor([
      [1, 0],
      [0, 1],
    ])
    const step = compile((a: Tensor, b: Tensor<'int32'>) => {
      const loss = crossEntropy(net(a), b)
      const { private: result } = backward(
        loss,
        { private: PrivateGradient({ clip: 1, noise: 0.01 }) },
        { parameters: optimizer.parameters },
      )
      return { loss, clipped: result.clipped, update: optimizer.update(result.gradient) }
    })
    const losses: number[] = []
    for (let i = 0; i < 30; i++) losses.push((await step(inputs, intTensor([0, 1]))).loss.data[0]!)
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2)
  })

  it('refuses options that make no sense', () => {
    expect(() => PrivateGradient({ clip: 0 })).toThrow(/clip 0 must be positive/)
    expect(() => PrivateGradient({ noise: -1 })).toThrow(/noise -1/)
  })
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
  expect(Object.keys(plugin.quantities ?? {})).toEqual(['private-gradient'])
})
