/** @file Small networks with every kind of loss: on sequences, weighted, robust, likelihoods, sums of them, and one's own. */
import {
  bceWithLogits,
  crossEntropy,
  gaussianNLL,
  huberLoss,
  klDivergence,
  l1Loss,
  loss,
  type Module,
  mseLoss,
  nllLoss,
  poissonNLL,
  smoothL1Loss,
} from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import {
  add,
  type AnyTensor,
  constant,
  exp,
  logSoftmax,
  matmul,
  mul,
  sigmoid,
  softmax,
  softplus,
  square,
  sub,
  sum,
  tanh,
  tensor,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import { data, type Network, seeded } from './network.ts'

/** A net on [N, inputs] or on every position of [N, T, inputs]. */
const net = (outputs: number): Module =>
  Sequential(Linear(3, 3, seeded(1)), Tanh(), Linear(3, outputs, seeded(2)))

function then(inner: Module, next: (x: Tensor) => Tensor): Module {
  return Object.assign((x: Tensor) => next(inner(x)), { parameters: inner.parameters })
}

/** The same with the classes on axis 1, as PyTorch lays out sequences. */
const classesFirst = (outputs: number): Module => then(net(outputs), (x) => transpose(x, [0, 2, 1]))

const positions = 4

const classes = (samples: number, ...rest: readonly number[]): Tensor<'int32'> => {
  const shape = [samples, ...rest]
  const count = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Int32Array.from({ length: count }, (_, i) => (i * i + 1) % 3),
    { shape, dtype: 'int32' },
  )
}

function network(
  name: string,
  model: () => Module,
  targets: (samples: number) => AnyTensor,
  of: (output: Tensor, target: never) => Tensor,
  input: readonly number[] = [3],
): Network {
  return {
    name,
    problem: (samples) => ({
      model: model(),
      loss: of as (output: Tensor, target: AnyTensor) => Tensor,
      inputs: data('x', [samples, ...input]),
      targets: targets(samples),
    }),
  }
}

/** Their Hessian has no root. */
function indefinite(all: readonly Network[]): readonly Network[] {
  return all.map((each) => ({ ...each, indefinite: true }))
}

const sequence = [positions, 3]
const plain = (samples: number): Tensor => data('y', [samples, 2])
const counts = (samples: number): Tensor => exp(data('y', [samples, 2]))

const sequenceLosses: readonly Network[] = [
  network(
    'cross-entropy of a sequence (mean)',
    () => classesFirst(3),
    (n) => classes(n, positions),
    (f, y: Tensor<'int32'>) => crossEntropy(f, y),
    sequence,
  ),
  network(
    'cross-entropy of a sequence, classes last (sum)',
    () => net(3),
    (n) => classes(n, positions),
    (f, y: Tensor<'int32'>) => crossEntropy(f, y, { axis: -1, reduction: 'sum' }),
    sequence,
  ),
  network(
    'cross-entropy of a sequence, ignored labels and class weights',
    () => classesFirst(3),
    (n) => classes(n, positions),
    (f, y: Tensor<'int32'>) =>
      crossEntropy(f, y, { ignoreIndex: 2, weight: tensor([0.5, 2, 1]), reduction: 'sum' }),
    sequence,
  ),
  network(
    'cross-entropy of a sequence, smoothed labels',
    () => classesFirst(3),
    (n) => classes(n, positions),
    (f, y: Tensor<'int32'>) => crossEntropy(f, y, { labelSmoothing: 0.2 }),
    sequence,
  ),
  network(
    'cross-entropy of probabilities of a sequence',
    () => classesFirst(3),
    (n) => softmax(data('y', [n, 3, positions]), 1),
    (f, y: Tensor) => crossEntropy(f, y),
    sequence,
  ),
  network(
    'squared error of a sequence',
    () => net(2),
    (n) => data('y', [n, positions, 2]),
    (f, y: Tensor) => mseLoss(f, y),
    sequence,
  ),
  network(
    'logistic loss of a sequence with posWeight',
    () => net(2),
    (n) => sigmoid(data('y', [n, positions, 2])),
    (f, y: Tensor) => bceWithLogits(f, y, { posWeight: tensor([3, 0.5]) }),
    sequence,
  ),
]

const residualLosses: readonly Network[] = [
  network(
    'Huber loss',
    () => net(2),
    plain,
    (f, y: Tensor) => huberLoss(f, y, { delta: 0.75 }),
  ),
  network(
    'smooth L1 loss',
    () => net(2),
    plain,
    (f, y: Tensor) => smoothL1Loss(f, y, { beta: 0.5, reduction: 'sum' }),
  ),
  network(
    'L1 loss',
    () => net(2),
    plain,
    (f, y: Tensor) => l1Loss(f, y),
  ),
]

const likelihoods: readonly Network[] = [
  network(
    'Poisson loss of logarithms',
    () => net(2),
    counts,
    (f, y: Tensor) => poissonNLL(f, y, { full: true }),
  ),
  network(
    'Poisson loss of rates',
    () => then(net(2), exp),
    counts,
    (f, y: Tensor) => poissonNLL(f, y, { logInput: false }),
  ),
  network(
    'Gaussian likelihood of a known variance',
    () => net(2),
    (n) => exp(data('y', [n, 2, 2])),
    (f, y: Tensor) => {
      const [mean, variance] = [0, 1].map((i) => y.slice(2, i, i + 1).reshape(f.shape))
      return gaussianNLL(f, mean!, variance!, { full: true })
    },
  ),
  ...indefinite([
    network(
      'Gaussian likelihood of mean and variance',
      () => then(net(4), (x) => softplus(x)),
      plain,
      (f, y: Tensor) => gaussianNLL(f.slice(1, 0, 2), y, f.slice(1, 2, 4)),
    ),
  ]),
  network(
    'negative log-likelihood of log-probabilities',
    () => then(net(3), (x) => logSoftmax(x)),
    (n) => classes(n),
    (f, y: Tensor<'int32'>) => nllLoss(f, y),
  ),
  network(
    'Kullback-Leibler divergence of log-probabilities',
    () => then(net(3), (x) => logSoftmax(x)),
    (n) => softmax(data('y', [n, 3])),
    (f, y: Tensor) => klDivergence(f, y, { reduction: 'batchmean' }),
  ),
  network(
    'Kullback-Leibler divergence of logits',
    () => net(3),
    (n) => softmax(data('y', [n, 3])),
    (f, y: Tensor) => klDivergence(f, y, { input: 'logits', reduction: 'sum' }),
  ),
]

const squashed = loss((f: Tensor, y: Tensor) => square(tanh(sub(f, y))), { name: 'squashed' })
const products = loss((f: Tensor, y: Tensor) => mul(sum(f, [1]), sum(tanh(mul(f, y)), [1])), {
  name: 'products',
})
/** Two terms of a sample, both of which look at all of its outputs. */
const shared = loss(
  (f: Tensor, y: Tensor) => tanh(matmul(sub(f, y), constant([[1, -0.5], [0.25, 2]]))).square(), // prettier-ignore
  { name: 'shared' },
)
const pairs = loss((f: Tensor, y: Tensor) => mul(sum(f, [2]), sum(tanh(mul(f, y)), [2])), { name: 'pairs' })
/** The negative log-likelihood of mean and logarithm of the variance, [N, 2]. */
const normal = loss(
  (f: Tensor, y: Tensor) => {
    const [mean, spread] = [0, 1].map((i) => f.slice(1, i, i + 1))
    return add(spread!, square(sub(mean!, y)).mul(exp(mul(spread!, -1))))
  },
  { name: 'normal' },
)

const ownLosses: readonly Network[] = indefinite([
  network(
    'a loss of single entries, indefinite',
    () => net(2),
    plain,
    (f, y: Tensor) => squashed(f, y),
  ),
  network(
    'a loss of whole samples, indefinite',
    () => net(2),
    plain,
    (f, y: Tensor) => products(f, y, { reduction: 'sum' }),
  ),
  network(
    'a loss of positions, indefinite',
    () => net(2),
    (n) => data('y', [n, positions, 2]),
    (f, y: Tensor) => pairs(f, y),
    sequence,
  ),
  network(
    'a loss of mean and variance',
    () => net(2),
    (n) => data('y', [n, 1]),
    (f, y: Tensor) => normal(f, y),
  ),
])

const weightOf = (y: Tensor): Tensor => sum(square(y), [1])

const combinedLosses: readonly Network[] = [
  network(
    'a loss with weights of samples',
    () => net(2),
    plain,
    (f, y: Tensor) => mseLoss(f, y, { sampleWeight: weightOf(y), reduction: 'sum' }),
  ),
  ...indefinite([
    network(
      'losses of three kinds with factors of either sign',
      () => net(2),
      plain,
      (f, y: Tensor) => mseLoss(f, y).mul(2).add(huberLoss(f, y).mul(-0.5)).add(squashed(f, y)),
    ),
    network(
      'an indefinite loss with weights of samples',
      () => net(2),
      plain,
      (f, y: Tensor) => products(f, y, { sampleWeight: weightOf(y), reduction: 'sum' }),
    ),
    network(
      'a loss whose terms share outputs, each with a weight',
      () => net(2),
      plain,
      (f, y: Tensor) => shared(f, y, { sampleWeight: square(y), reduction: 'sum' }),
    ),
  ]),
]

export const lossNetworks: readonly Network[] = [
  ...sequenceLosses,
  ...residualLosses,
  ...likelihoods,
  ...ownLosses,
  ...combinedLosses,
]
