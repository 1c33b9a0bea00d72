/**
 * @file Loss functions as `trainStep` takes them, with PyTorch's names and defaults. One default differs: no label is ignored unless
 * `ignoreIndex` says so, so that a label of −100 is an error of the data.
 */
import {
  bceWithLogits,
  crossEntropy,
  type CrossEntropyOptions,
  type DivergenceOptions,
  gaussianNLL,
  type GaussianOptions,
  huberLoss,
  type HuberOptions,
  klDivergence,
  l1Loss,
  type LikelihoodOptions,
  type LogisticOptions,
  type Loss,
  type LossOptions,
  mseLoss,
  nllLoss,
  poissonNLL,
  type PoissonOptions,
  smoothL1Loss,
  type SmoothL1Options,
} from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'

/** Softmax cross-entropy of logits [N, C] or [N, C, ...] and class indices [N] or [N, ...], or probabilities of the classes. */
export function CrossEntropyLoss(options: CrossEntropyOptions = {}): Loss<Tensor<'int32'> | Tensor> {
  return (output, target) => crossEntropy(output, target, options)
}

/** Negative log-likelihood of class indices for log-probabilities; for curvature take `CrossEntropyLoss` of the logits. */
export function NLLLoss(options: LikelihoodOptions = {}): Loss {
  return (output, target) => nllLoss(output, target, options)
}

/** Squared error; "mean" divides by the number of entries. */
export function MSELoss(options: LossOptions = {}): Loss<Tensor> {
  return (output, target) => mseLoss(output, target, options)
}

/** Absolute error; "mean" divides by the number of entries. */
export function L1Loss(options: LossOptions = {}): Loss<Tensor> {
  return (output, target) => l1Loss(output, target, options)
}

/** ½ r² for residuals |r| ≤ `delta` (1), lines beyond. */
export function HuberLoss(options: HuberOptions = {}): Loss<Tensor> {
  return (output, target) => huberLoss(output, target, options)
}

/** r² / 2β for residuals |r| ≤ `beta` (1), lines of slope 1 beyond. */
export function SmoothL1Loss(options: SmoothL1Options = {}): Loss<Tensor> {
  return (output, target) => smoothL1Loss(output, target, options)
}

/** Binary cross-entropy of logits and targets in [0, 1]. */
export function BCEWithLogitsLoss(options: LogisticOptions = {}): Loss<Tensor> {
  return (output, target) => bceWithLogits(output, target, options)
}

/** The Kullback-Leibler divergence of log-probabilities from target probabilities; "batchmean" is the mathematical one. */
export function KLDivLoss(options: DivergenceOptions = {}): Loss<Tensor> {
  return (output, target) => klDivergence(output, target, options)
}

/** Negative log-likelihood of counts for logarithms of their rates, or with `logInput: false` for rates. */
export function PoissonNLLLoss(options: PoissonOptions = {}): Loss<Tensor> {
  return (output, target) => poissonNLL(output, target, options)
}

/**
 * Negative log-likelihood of normal distributions. For `trainStep` say what is the mean and what the variance, as in
 * `(f, y) => nll(f.slice(1, 0, 1), y, exp(f.slice(1, 1, 2)))` for a model with two outputs.
 */
export function GaussianNLLLoss(
  options: GaussianOptions = {},
): (mean: Tensor, target: Tensor, variance: Tensor) => Tensor {
  return (mean, target, variance) => gaussianNLL(mean, target, variance, options)
}
