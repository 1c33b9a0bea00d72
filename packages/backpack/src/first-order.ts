/** @file First-order quantities: what the individual gradients of a batch say beyond their sum. */
import {
  type Contribution,
  defineExtension,
  type Extension,
  gradientFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { mul, type Tensor } from '@beyondgrad/tensor'

/** The gradient ∂L/∂θ itself, `[...parameter.shape]`. Works where samples mix, too. */
export function Gradient(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'gradient',
    options: {},
    flow: gradientFlow,
    merge: 'sum',
    parameter: ({ contribution }) => contribution.sum(),
  })
}

/**
 * Every sample's own gradient, `[N, ...parameter.shape]`. Under reduction "mean" each carries its 1/N, so that they
 * sum to the gradient. Large: N times the parameters; the other quantities here never build it.
 *
 * Source: Dangel, Kunstner, Hennig, "BackPACK", ICLR 2020, Table 1.
 */
export function BatchGradient(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'batch-gradient',
    options: {},
    flow: gradientFlow,
    merge: 'concat',
    parameter: ({ contribution }) => contribution.materialize(),
  })
}

/** Squared norms of the individual gradients, `[N]` for each parameter: which samples pull hardest. */
export function BatchL2(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'batch-l2',
    options: {},
    flow: gradientFlow,
    degree: 2,
    merge: 'concat',
    parameter: ({ contribution }) => contribution.squaredNorm(),
  })
}

/** Second moment of the individual gradients, Σₙ gₙ², `[...parameter.shape]`. */
export function SumGradSquared(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'sum-grad-squared',
    options: {},
    flow: gradientFlow,
    degree: 2,
    merge: 'sum',
    parameter: ({ contribution }) => contribution.sumOfSquares(),
  })
}

/**
 * Variance of the individual gradients over the batch, 1/N Σₙ (gₙ − ḡ)² (biased: divisor N), `[...parameter.shape]`.
 * Computed from centred values: exact in single precision even where the mean is far larger than the spread.
 */
export function Variance(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'variance',
    options: {},
    flow: gradientFlow,
    degree: 2,
    parameter: ({ contribution }) => variance(contribution),
  })
}

function variance(contribution: Contribution): Tensor {
  return mul(contribution.centredSumOfSquares(), 1 / contribution.samples)
}
