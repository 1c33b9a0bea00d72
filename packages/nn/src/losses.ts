/** @file Loss functions as `trainStep` takes them. */
import { crossEntropy, type Loss, type LossOptions, mseLoss } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'

/** Softmax cross-entropy of logits [N, C] and class indices [N]. */
export function CrossEntropyLoss(options: LossOptions = {}): Loss {
  return (output, target) => crossEntropy(output, target, options)
}

/** Squared error; "mean" divides by the number of entries. */
export function MSELoss(options: LossOptions = {}): Loss<Tensor> {
  return (output, target) => mseLoss(output, target, options)
}
