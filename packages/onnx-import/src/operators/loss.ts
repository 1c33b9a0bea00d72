/** @file Losses that are nodes of a model. */
import {
  type AnyTensor,
  cast,
  div,
  equal,
  gather,
  gatherElements,
  type Indices,
  logSoftmax,
  mul,
  neg,
  reshape,
  sum,
  type Tensor,
  unsqueeze,
  where,
  ones,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** -w log p of the targets; the classes are on axis 1. A mean is over the weights. */
function likelihood(call: OperatorCall, logProbabilities: Tensor): Tensor {
  const labels = cast(call.any(1), 'int64')
  const { attributes } = call
  const ignored = attributes.has('ignore_index')
    ? equal<'int64'>(labels, attributes.int('ignore_index'))
    : undefined
  const target = ignored ? where<'int64'>(ignored, 0, labels) : labels
  const picked = gatherElements(logProbabilities, unsqueeze(target, [1]) as Indices, 1)
  const losses = neg(reshape(picked, labels.shape))
  const given = call.has(2) ? gather(call.float(2), target) : undefined
  const weights = ignored ? where(ignored, 0, given ?? ones(labels.shape)) : given
  const weighted = weights ? mul(losses, weights) : losses
  switch (attributes.string('reduction', 'mean')) {
    case 'none':
      return weighted
    case 'sum':
      return sum(weighted)
    default:
      return weights ? div(sum(weighted), sum(weights)) : weighted.mean()
  }
}

export const losses: OperatorTable = {
  NegativeLogLikelihoodLoss: operator((call) => likelihood(call, call.float(0)), { settings: [2] }),
  SoftmaxCrossEntropyLoss: operator(
    (call): AnyTensor[] => {
      const logProbabilities = logSoftmax(call.float(0), 1)
      return [likelihood(call, logProbabilities), logProbabilities]
    },
    { settings: [2] },
  ),
}
