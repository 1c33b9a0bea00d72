/** @file A short training on each backend. */
import {
  Conv2d,
  CrossEntropyLoss,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  SGD,
  trainStep,
} from '@beyondgrad/nn'
import { tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { numbers } from './against-reference.ts'
import { backends } from './backends.ts'

describe.each(backends)('a network on $name', ({ engine }) => {
  it('learns', async () => {
    const model = Sequential(
      Conv2d(1, 4, 3, { seed: 1 }),
      ReLU(),
      MaxPool2d(2),
      Flatten(),
      Linear(36, 3, { seed: 2 }),
    )
    const step = trainStep({
      model,
      loss: CrossEntropyLoss(),
      optimizer: SGD(model.parameters, { learningRate: 0.1 }),
      engine,
    })
    const inputs = numbers([12, 1, 8, 8], 1)
    const targets = tensor(
      Int32Array.from({ length: 12 }, (_, i) => i % 3),
      { shape: [12], dtype: 'int32' },
    )
    const losses: number[] = []
    for (let i = 0; i < 30; i++) losses.push((await step({ inputs, targets })).loss)
    expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]!)
  })
})
