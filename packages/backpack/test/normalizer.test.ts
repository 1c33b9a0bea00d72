import { backward, crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { Linear } from '@beyondgrad/nn'
import { evaluate, referenceEngine, type Tensor } from '@beyondgrad/tensor'
import { expect, it } from 'vitest'
import { Normalizer } from '../src/index.ts'
import { data, labels } from './network.ts'

const model = Linear(3, 2, { seed: 1 })
const output = model(data('x', [4, 3]))

it.each<[string, Tensor, number]>([
  ['a mean over samples', crossEntropy(output, labels(4, 2)), 1 / 4],
  ['a mean over all numbers', mseLoss(output, data('y', [4, 2])), 1 / 8],
  ['a sum', mseLoss(output, data('y', [4, 2]), { reduction: 'sum' }), 1],
  ['a mean without ignored samples', crossEntropy(output, labels(4, 2), { ignoreIndex: 0 }), 1 / 2],
])('the normalizer of %s', async (_name, loss, expected) => {
  const { normalizer } = await evaluate(backward(loss, { normalizer: Normalizer() }), {
    engine: referenceEngine(),
  })
  expect(normalizer.shape).toEqual([])
  expect(normalizer.data[0]).toBeCloseTo(expected, 12)
})
