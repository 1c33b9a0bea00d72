/** @file Types of a training program as a newcomer writes it; checked by `tsc`, never run. */
import type { Batch, Extension, Module, ParameterMap } from '@beyondgrad/autograd'
import type { NDArray, Tensor } from '@beyondgrad/tensor'
import { expectTypeOf } from 'vitest'
import {
  batches,
  CrossEntropyLoss,
  type Dataset,
  defineModule,
  Embedding,
  Flatten,
  Linear,
  moduleOf,
  MSELoss,
  type Observer,
  ReLU,
  Sequential,
  SGD,
  trainStep,
} from '../src/index.ts'

declare const digits: Dataset
declare const curves: Dataset<'float32'>
declare const cockpit: Observer
declare function Variance(): Extension<ParameterMap<Tensor>>

const model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
expectTypeOf(model).toEqualTypeOf<Module>()
const optimizer = SGD(model.parameters, { learningRate: 0.1, momentum: 0.9 })
optimizer.learningRate = 0.05

const train = trainStep({
  model,
  loss: CrossEntropyLoss(),
  optimizer,
  extensions: { variance: Variance() },
  observers: [cockpit],
})
for await (const batch of batches(digits, { size: 128, seed: 1 })) {
  expectTypeOf(batch).toEqualTypeOf<Batch<Tensor<'int32'>>>()
  const step = await train(batch)
  expectTypeOf(step.loss).toBeNumber()
  expectTypeOf(step.step).toBeNumber()
  expectTypeOf(step.variance).toEqualTypeOf<ParameterMap<NDArray>>()
  // @ts-expect-error it was not asked for
  void step.gradient
}

// The loss decides what the targets are.
const regress = trainStep({ model, loss: MSELoss(), optimizer })
for await (const batch of batches(curves, { size: 2 })) await regress(batch)
// @ts-expect-error class indices are no targets of a squared error
for await (const batch of batches(digits, { size: 2 })) await regress(batch)

// @ts-expect-error the optimiser is missing
trainStep({ model, loss: CrossEntropyLoss() })
// @ts-expect-error layers are made by calling their factory
Sequential(Linear(2, 2), ReLU)
// @ts-expect-error a rate is a number
SGD(model.parameters, { learningRate: '0.1' })

// A module of one's own is a module like any other.
const own = moduleOf(
  (x: Tensor) => x.add(model(x)),
  [...model.parameters].map(([, p]) => p),
)
expectTypeOf(own).toEqualTypeOf<Module<[x: Tensor]>>()
Sequential(own, ReLU())

// Tokens are integers, and stay so from the data to the embedding.
declare const texts: Dataset<'int32', 'int32'>
const reader = Sequential(Embedding(100, 8), Flatten(), Linear(80, 2))
const readOn = trainStep({
  model: reader,
  loss: CrossEntropyLoss(),
  optimizer: SGD(reader.parameters, { learningRate: 1 }),
})
for await (const batch of batches(texts, { size: 2 })) await readOn(batch)
// @ts-expect-error images are no tokens
for await (const batch of batches(digits, { size: 2 })) await readOn(batch)

// Parts come as what they are.
defineModule(
  { layers: [Linear(2, 2)], table: Embedding(3, 2) },
  ({ layers, table }, tokens: Tensor<'int32'>) => {
    expectTypeOf(table(tokens)).toEqualTypeOf<Tensor>()
    return layers.map((layer) => layer(table(tokens)))
  },
)
// @ts-expect-error a number is no part
defineModule({ size: 3 }, (_, x: Tensor) => x)
