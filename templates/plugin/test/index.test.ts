import { checkPlugin, mseLoss } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { tensor, type Tensor } from '@beyondgrad/tensor'
import { checkExtension } from '@beyondgrad/testing'
import { expect, it } from 'vitest'
import plugin, { MyQuantity } from '../src/index.ts'

it('is what its definition says', async () => {
  await checkExtension(MyQuantity(), {
    model: Sequential(Linear(2, 3, { seed: 1 }), Tanh(), Linear(3, 1, { seed: 2 })),
    loss: (output: Tensor, target: Tensor) => mseLoss(output, target),
    inputs: tensor([
      [0.5, -1],
      [2, 0.25],
    ]),
    targets: tensor([[1], [0]]),
    // Brute force: every sample goes through the model alone, curvature is a dense matrix.
    definition: async (at, parameter) => (await at.gradient(parameter)).map(Math.abs),
  })
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
})
