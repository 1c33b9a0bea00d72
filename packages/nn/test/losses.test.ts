/** @file The losses' names, options and defaults against numbers that PyTorch computes in float64. */
import { intTensor, referenceEngine, evaluate, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  GaussianNLLLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MSELoss,
  NLLLoss,
  PoissonNLLLoss,
  SmoothL1Loss,
} from '../src/index.ts'

const output = tensor([[0.5, -1], [2, 0.25]]) // prettier-ignore
const target = tensor([[0, 1], [0.5, 3]]) // prettier-ignore
const probabilities = tensor([[0.25, 0.75], [1, 0]]) // prettier-ignore
const variance = tensor([[0.5, 2], [1, 0.25]]) // prettier-ignore
const labels = intTensor([1, 0])
const ignored = intTensor([1, -100])
const weight = tensor([0.5, 2])

const cases: readonly (readonly [string, Tensor, number])[] = [
  ['CrossEntropyLoss', CrossEntropyLoss()(output, labels), 0.93081871421],
  ['CrossEntropyLoss, sum', CrossEntropyLoss({ reduction: 'sum' })(output, labels), 1.86163742842],
  [
    'CrossEntropyLoss, weighted, smoothed, some ignored',
    CrossEntropyLoss({ weight, labelSmoothing: 0.2, ignoreIndex: -100 })(output, ignored),
    1.53630728213,
  ],
  ['CrossEntropyLoss of probabilities', CrossEntropyLoss()(output, probabilities), 0.74331871421],
  ['NLLLoss', NLLLoss()(output, labels), -0.5],
  ['NLLLoss, weighted', NLLLoss({ weight })(output, labels), 0.4],
  ['MSELoss', MSELoss()(output, target), 3.515625],
  ['L1Loss', L1Loss()(output, target), 1.6875],
  ['HuberLoss', HuberLoss()(output, target), 1.21875],
  ['HuberLoss, delta', HuberLoss({ delta: 0.5 })(output, target), 0.71875],
  ['SmoothL1Loss', SmoothL1Loss()(output, target), 1.21875],
  ['SmoothL1Loss, beta', SmoothL1Loss({ beta: 0.5 })(output, target), 1.4375],
  ['BCEWithLogitsLoss', BCEWithLogitsLoss()(output, probabilities), 0.716301525655],
  [
    'BCEWithLogitsLoss, posWeight',
    BCEWithLogitsLoss({ posWeight: weight })(output, probabilities),
    0.931857184929,
  ],
  ['KLDivLoss', KLDivLoss()(output, probabilities), -0.484333786155],
  ['KLDivLoss, batchmean', KLDivLoss({ reduction: 'batchmean' })(output, probabilities), -0.968667572309],
  ['KLDivLoss, logTarget', KLDivLoss({ logTarget: true })(output, target), 14.4246770724],
  ['PoissonNLLLoss', PoissonNLLLoss()(output, target), 2.48492055687],
  ['PoissonNLLLoss, full', PoissonNLLLoss({ full: true })(output, target), 2.92594094276],
  ['PoissonNLLLoss of rates', PoissonNLLLoss({ logInput: false })(variance, target), 1.8039339432],
  ['GaussianNLLLoss', GaussianNLLLoss()(output, target, variance), 4.20171320486],
  ['GaussianNLLLoss, full', GaussianNLLLoss({ full: true })(output, target, variance), 5.12065173806],
]

describe('losses', () => {
  it.each(cases)('%s', async (_name, loss, expected) => {
    const { value } = await evaluate({ value: loss }, { engine: referenceEngine({ warn: () => undefined }) })
    expect(value.data[0]).toBeCloseTo(expected, 10)
  })
})
