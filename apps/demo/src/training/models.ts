/** @file The networks of the page, and how sabotage spoils them. */
import type { Module } from '@beyondgrad/autograd'
import {
  Adam,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  SGD,
  Sigmoid,
  type StatefulOptimizer,
} from '@beyondgrad/nn'
import { rateOf, type Settings } from '../settings.ts'

/** Logits [N, 10] of images [N, 1, 28, 28]; the same numbers for the same seed. */
export function modelOf({ model, sabotage, seed }: Pick<Settings, 'model' | 'sabotage' | 'seed'>): Module {
  let layers = 0
  const own = (): { readonly seed: number } => ({ seed: 100 * seed + layers++ })
  const activation = (): ReturnType<typeof ReLU> => (sabotage.has('sigmoid') ? Sigmoid() : ReLU())
  const dense = (inputs: number, hidden: readonly number[]): Module[] => {
    const sizes = [inputs, ...hidden]
    return [
      ...hidden.flatMap((size, i) => [Linear(sizes[i]!, size, own()), activation()]),
      Linear(sizes.at(-1)!, 10, own()),
    ]
  }
  // Gradients vanish where many of these are behind each other.
  const deep = sabotage.has('sigmoid') ? Array<number>(4).fill(32) : []
  const network =
    model === 'mlp'
      ? Sequential(Flatten(), ...dense(784, [64, 32, ...deep]))
      : Sequential(
          Conv2d(1, 8, 5, own()),
          activation(),
          MaxPool2d(2),
          Conv2d(8, 16, 5, own()),
          activation(),
          MaxPool2d(2),
          Flatten(),
          ...dense(256, deep),
        )
  if (sabotage.has('zeros')) for (const [{ cell }] of network.parameters) cell.data.fill(0 as never)
  return network
}

export function optimizerOf(model: Module, settings: Settings): StatefulOptimizer {
  const learningRate = rateOf(settings)
  switch (settings.optimizer) {
    case 'sgd':
      return SGD(model.parameters, { learningRate })
    case 'momentum':
      return SGD(model.parameters, { learningRate, momentum: 0.9 })
    case 'adam':
      return Adam(model.parameters, { learningRate })
  }
}
