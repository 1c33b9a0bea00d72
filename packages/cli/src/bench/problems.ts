/** @file The networks that `bench` measures, on random data of the right size. */
import type { Module } from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from '@beyondgrad/nn'
import type { Tensor } from '@beyondgrad/tensor'
import type { ProblemName } from './problem-names.ts'
import { allConvolutional, residual, transformer } from './networks.ts'

/** A network and what to feed it. */
export interface Problem {
  readonly about: string
  /** Batch size unless another is asked for. */
  readonly batch: number
  /** Shape of one input. */
  readonly input: readonly number[]
  readonly classes: number
  /** Inputs are so many different integers; random floats unless given. */
  readonly vocabulary?: number
  model(): Module | Module<readonly [Tensor<'int32'>]>
}

const seed = 0

/** 3 × 3 windows with stride 2 that halve the image, as TensorFlow's "same" padding does. */
const halvingPool = (): Module =>
  MaxPool2d(3, {
    stride: 2,
    padding: [
      [0, 1],
      [0, 1],
    ],
  })

/** The networks by name. 2c2d, 3c3d and allcnnc are DeepOBS's (Schneider, Balles, Hennig, ICLR 2019). */
export const problems: Readonly<Record<ProblemName, Problem>> = {
  logreg: {
    about: 'logistic regression, 784-10',
    batch: 128,
    input: [784],
    classes: 10,
    model: () => Sequential(Linear(784, 10, { seed })),
  },
  mlp: {
    about: '784-128-64-10 with ReLU',
    batch: 128,
    input: [784],
    classes: 10,
    model: () =>
      Sequential(
        Linear(784, 128, { seed }),
        ReLU(),
        Linear(128, 64, { seed }),
        ReLU(),
        Linear(64, 10, { seed }),
      ),
  },
  '2c2d': {
    about: 'two convolutions and two linear layers on 28 × 28 images, 3.3 million parameters',
    batch: 128,
    input: [1, 28, 28],
    classes: 10,
    model: () =>
      Sequential(
        Conv2d(1, 32, 5, { padding: 2, seed }),
        ReLU(),
        MaxPool2d(2),
        Conv2d(32, 64, 5, { padding: 2, seed }),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Linear(3136, 1024, { seed }),
        ReLU(),
        Linear(1024, 10, { seed }),
      ),
  },
  '3c3d': {
    about: 'three convolutions and three linear layers on 32 × 32 colour images, 0.9 million parameters',
    batch: 64,
    input: [3, 32, 32],
    classes: 10,
    model: () =>
      Sequential(
        Conv2d(3, 64, 5, { seed }),
        ReLU(),
        halvingPool(),
        Conv2d(64, 96, 3, { seed }),
        ReLU(),
        halvingPool(),
        Conv2d(96, 128, 3, { padding: 1, seed }),
        ReLU(),
        halvingPool(),
        Flatten(),
        Linear(1152, 512, { seed }),
        ReLU(),
        Linear(512, 256, { seed }),
        ReLU(),
        Linear(256, 10, { seed }),
      ),
  },
  allcnnc: {
    about: 'nine convolutions on 32 × 32 colour images, 100 classes, 1.4 million parameters',
    batch: 64,
    input: [3, 32, 32],
    classes: 100,
    model: () => allConvolutional(100),
  },
  resnet20: {
    about: 'residual network on 32 × 32 colour images with fixed statistics, 0.27 million parameters',
    batch: 64,
    input: [3, 32, 32],
    classes: 10,
    model: () => residual(10),
  },
  transformer: {
    about: 'two blocks of width 64 with 4 heads on 32 tokens, 0.1 million parameters',
    batch: 64,
    input: [32],
    classes: 10,
    vocabulary: 64,
    model: () => transformer({ vocabulary: 64, length: 32, width: 64, heads: 4, blocks: 2, classes: 10 }),
  },
}

export function isProblem(name: string): name is ProblemName {
  return Object.hasOwn(problems, name)
}
