/** @file Small networks with their losses, for tests. */
import { crossEntropy, mseLoss, type Module } from '@beyondgrad/autograd'
import {
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  Tanh,
  TransformerEncoderLayer,
} from '@beyondgrad/nn'
import { importOnnx } from '@beyondgrad/onnx-import'
import { fillRandom, intTensor, namedMap, sizeOf, tensor, type Tensor } from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'

/** Standard normal numbers. */
export function data(name: string, shape: readonly number[], scale = 1): Tensor {
  const values = new Float32Array(sizeOf(shape))
  fillRandom({ distribution: 'normal', seed: 3, stream: name }, 0, 1, 1, values.length, values)
  return tensor(
    values.map((v) => v * scale),
    { shape, dtype: 'float32' },
  )
}

export const labels = (samples: number, classes: number): Tensor<'int32'> =>
  intTensor(Array.from({ length: samples }, (_, n) => (n * 7 + 1) % classes))

const encoder = (): Module => {
  const layer = TransformerEncoderLayer(4, 2, { dimFeedforward: 6, dropout: 0, seed: 1 })
  const head = Linear(4, 3, { seed: 2 })
  const parts = [layer, head].flatMap((m, i) =>
    [...m.parameters].map(([p]) => p.as({ name: `${i}.${p.name}` })),
  )
  return Object.assign((x: Tensor) => head(layer(x).mean([1])), {
    parameters: namedMap(parts.map((p) => [p, p] as const)),
  })
}

const file = new URL('../../../fixtures/goldens-graphs/residual/graph_mlp/model.onnx', import.meta.url)
const residual = (await importOnnx(new Uint8Array(readFileSync(file)))) as unknown as (x: Tensor) => Tensor

/** Networks of every kind with a loss on a few samples. */
export const networks: readonly {
  readonly name: string
  readonly loss: (reduction: 'mean' | 'sum') => Tensor
}[] = [
  {
    name: 'a tanh net, cross-entropy',
    loss: (reduction) =>
      crossEntropy(
        Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 3, { seed: 2 }))(data('x', [4, 3])),
        labels(4, 3),
        { reduction },
      ),
  },
  {
    name: 'a convolution with groups and overlapping pools, squared error',
    loss: (reduction) =>
      mseLoss(
        Sequential(
          Conv2d(2, 4, 3, { groups: 2, padding: 1, seed: 1 }),
          ReLU(),
          MaxPool2d(2, { stride: 1 }),
          Flatten(),
          Linear(36, 2, { seed: 2 }),
        )(data('x', [3, 2, 4, 4])),
        data('y', [3, 2]),
        { reduction },
      ),
  },
  {
    name: 'a transformer',
    loss: (reduction) => crossEntropy(encoder()(data('x', [3, 2, 4])), labels(3, 3), { reduction }),
  },
  {
    name: 'an imported model with residual connections',
    loss: (reduction) => crossEntropy(residual(data('x', [4, 4])), labels(4, 3), { reduction }),
  },
]
