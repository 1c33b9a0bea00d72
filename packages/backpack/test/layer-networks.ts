/** @file Networks of layers: plain, convolutional, branching, and on sequences. */
import {
  AvgPool2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  moduleOf,
  qualified,
  ReLU,
  Sequential,
  Sigmoid,
  Tanh,
} from '@beyondgrad/nn'
import { concat, matmul, maximum, reshape, sum, tanh, type Tensor, transpose } from '@beyondgrad/tensor'
import { classifier, type Network, of, regression, residual, seeded, weight } from './network.ts'

export const plain: readonly Network[] = [
  classifier('one linear layer', [4], 3, () => Sequential(Linear(4, 3, seeded(1)))),
  classifier('tanh net', [4], 3, () => Sequential(Linear(4, 5, seeded(1)), Tanh(), Linear(5, 3, seeded(2)))),
  classifier(
    'sigmoid net',
    [3],
    4,
    () =>
      Sequential(
        Linear(3, 4, seeded(1)),
        Sigmoid(),
        Linear(4, 4, seeded(2)),
        Tanh(),
        Linear(4, 4, seeded(3)),
      ),
    { reduction: 'sum' },
  ),
  regression('ReLU net', [4], [2], () =>
    Sequential(Linear(4, 5, seeded(1)), ReLU(), Linear(5, 2, seeded(2))),
  ),
  regression(
    'tanh net',
    [4],
    [3],
    () => Sequential(Linear(4, 3, seeded(1)), Tanh(), Linear(3, 3, { seed: 2, bias: false })),
    { reduction: 'sum' },
  ),
  regression(
    'tanh net',
    [3],
    [2],
    () => Sequential(Linear(3, 3, seeded(1)), Tanh(), Linear(3, 2, seeded(2))),
    { logistic: true },
  ),
]

/** Every combination matters: groups, strides, dilations and paddings that differ by axis and side. */
const geometries = [
  { groups: 1, stride: 1, dilation: 1, padding: 0 },
  {
    groups: 2,
    stride: [2, 1],
    dilation: 1,
    padding: [
      [1, 0],
      [0, 2],
    ],
  },
  {
    groups: 4,
    stride: 1,
    dilation: [1, 2],
    padding: [
      [0, 1],
      [2, 1],
    ],
  },
  { groups: 2, stride: 2, dilation: 2, padding: 2 },
] as const

export const convolutional: readonly Network[] = [
  ...geometries.map((geometry) =>
    classifier(`convolution ${JSON.stringify(geometry)}`, [4, 5, 4], 3, () =>
      Sequential(
        Conv2d(4, 4, [2, 3], { ...geometry, seed: 1 }),
        Tanh(),
        moduleOf((x) => sum(x, [2, 3])),
        Linear(4, 3, seeded(2)),
      ),
    ),
  ),
  classifier('two convolutions with max pooling', [2, 6, 6], 3, () =>
    Sequential(
      Conv2d(2, 3, 3, seeded(1)),
      ReLU(),
      MaxPool2d(2, { stride: 1 }),
      Conv2d(3, 2, 2, { seed: 2, bias: false }),
      Tanh(),
      Flatten(),
      Linear(8, 3, seeded(3)),
    ),
  ),
  regression(
    'convolution and average pooling',
    [2, 5, 5],
    [2],
    () =>
      Sequential(
        Conv2d(2, 2, 3, { seed: 1, padding: 1 }),
        Sigmoid(),
        AvgPool2d(3, { stride: 2, padding: 1, countPadding: false }),
        Flatten(),
        Linear(18, 2, seeded(2)),
      ),
    { reduction: 'sum' },
  ),
  regression('convolution whose output is the prediction', [1, 4, 3], [2, 3, 2], () =>
    Sequential(Conv2d(1, 2, 2, seeded(1)), Tanh()),
  ),
]

export const branching: readonly Network[] = [
  classifier('residual net', [4], 3, () =>
    Sequential(
      Linear(4, 4, seeded(1)),
      residual(Sequential(Tanh(), Linear(4, 4, seeded(2)), Sigmoid())),
      residual(Sequential(Linear(4, 4, seeded(3)), Tanh())),
      Linear(4, 3, seeded(4)),
    ),
  ),
  regression('two branches joined', [4], [2], () => {
    const left = Sequential(Linear(4, 2, seeded(1)), Tanh())
    const right = Sequential(Linear(4, 3, seeded(2)), Sigmoid())
    const head = Linear(5, 2, seeded(3))
    const parameters = qualified([
      ['left', left],
      ['right', right],
      ['head', head],
    ])
    return Object.assign((x: Tensor) => head(concat([left(x), right(x)], 1)), { parameters })
  }),
  regression('maximum of two branches', [3], [3], () => {
    const [a, b] = [weight('a', [3, 3]), weight('b', [3, 3])]
    return of([a, b], (x) => maximum(matmul(x, a.value), matmul(tanh(x), b.value)))
  }),
]

export const sequences: readonly Network[] = [
  regression('sequence through linear layers', [4, 3], [4, 2], () =>
    Sequential(Linear(3, 3, seeded(1)), Tanh(), Linear(3, 2, seeded(2))),
  ),
  classifier(
    'sequence, averaged',
    [5, 2],
    3,
    () =>
      Sequential(
        Linear(2, 4, seeded(1)),
        Sigmoid(),
        moduleOf((x) => x.mean([1])),
        Linear(4, 3, seeded(2)),
      ),
    { reduction: 'sum' },
  ),
  regression('samples on another axis inside', [4, 3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [4, 2])]
    return of([w, v], (x) => matmul(sum(tanh(matmul(transpose(x, [1, 0, 2]), w.value)), [0]), v.value))
  }),
  regression('samples and positions in one axis inside', [4, 3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [4, 2])]
    return of([w, v], (x) => {
      const h = tanh(matmul(reshape(x, [-1, 3]), w.value))
      return matmul(sum(reshape(h, [x.shape[0]!, 4, 4]), [1]), v.value)
    })
  }),
]
