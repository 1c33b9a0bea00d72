import { vjp } from '@beyondgrad/autograd'
import { concat, reshape, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkVmap, randomExpressions, randomInputs } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'
import { graphs, runs } from './seeds.ts'
import { misleading } from './wrong-ops.ts'

interface Batched {
  readonly fn: (...inputs: readonly Tensor[]) => Tensor
  /** Inputs of one example. */
  readonly one: readonly Tensor[]
  readonly inputs: readonly Tensor[]
  readonly axes: readonly (number | null)[]
  readonly size: number
}

/** A random graph and a batch for it: some inputs batched on some axis, others shared; now and then no example at all. */
function batchedGraph(seed: number, steps: number): Batched {
  const random = numbers(seed + 1)
  const one = randomInputs({ seed, empty: true })
  const size = random.chance(0.1) ? 0 : random.between(1, 3)
  const axes = one.map((x, i) =>
    i === seed % one.length || random.chance(0.5) ? random.integer(x.shape.length + 1) : null,
  )
  const inputs = one.map((x, i) =>
    axes[i] == null ? x : randomTensor((x.shape as number[]).toSpliced(axes[i], 0, size), random),
  )
  const fn = (...all: readonly Tensor[]): Tensor =>
    concat(
      randomExpressions(all, { seed, steps, largest: 200 }).map((x) => reshape(x, [-1])),
      0,
    )
  return { fn, one, inputs, axes, size }
}

describe('vmap of random graphs', () => {
  it('is a loop over the examples', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ seed, steps }) => {
        const { fn, inputs, axes } = batchedGraph(seed, steps)
        await checkVmap(fn, inputs, axes)
      }),
      runs(400),
    )
  })

  it('is a loop for their derivatives, too, with batched inputs or a batch of cotangents', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ seed, steps }) => {
        const { fn, one, inputs, axes, size } = batchedGraph(seed, steps)
        const random = numbers(seed + 2)
        const { shape } = fn(...one)
        const at = seed % one.length
        const back = (...all: readonly Tensor[]): Tensor =>
          vjp(fn(...all.slice(0, -1)), [all[at]!], all.at(-1)!)[0]!
        await checkVmap(back, [...inputs, randomTensor(shape, random)], [...axes, null])
        const cotangents = randomTensor([size, ...shape], random)
        await checkVmap(back, [...one, cotangents], [...one.map(() => null), 0])
      }),
      runs(250),
    )
  })
})

describe('checkVmap', () => {
  it('names the example and the element that differ', async () => {
    const x = tensor([
      [1, 1],
      [1, 2],
    ])
    await expect(checkVmap(misleading, [x])).rejects.toThrow(
      'vmap over axis 0 of [2, 2], example 1: element [1] is 4 instead of 8',
    )
  })
})
