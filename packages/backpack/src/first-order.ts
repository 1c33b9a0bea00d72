/** @file First-order quantities: what the individual gradients of a batch say beyond their sum. */
import {
  type Contribution,
  defineExtension,
  type Extension,
  gradientFlow,
  type ParameterMap,
  type Part,
} from '@beyondgrad/autograd'
import { add, mul, ones, square, sub, type Tensor } from '@beyondgrad/tensor'
import { checkSubsample, chosen, mergeOfAll, subsampleKey, type SubsampleOptions } from './subsample.ts'

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
export function BatchGradient(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('BatchGradient', subsample)
  return defineExtension({
    name: 'batch-gradient',
    options: { subsample: subsampleKey(subsample) },
    flow: gradientFlow,
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).materialize(),
  })
}

/** Squared norms of the individual gradients, `[N]` for each parameter: which samples pull hardest. */
export function BatchL2(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('BatchL2', subsample)
  return defineExtension({
    name: 'batch-l2',
    options: { subsample: subsampleKey(subsample) },
    flow: gradientFlow,
    degree: 2,
    ...mergeOfAll(subsample, 'concat'),
    parameter: ({ contribution }) => chosen(contribution, subsample).squaredNorm(),
  })
}

/** Second moment of the individual gradients, Σₙ gₙ², `[...parameter.shape]`. */
export function SumGradSquared(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('SumGradSquared', subsample)
  return defineExtension({
    name: 'sum-grad-squared',
    options: { subsample: subsampleKey(subsample) },
    flow: gradientFlow,
    degree: 2,
    ...mergeOfAll(subsample, 'sum'),
    parameter: ({ contribution }) => chosen(contribution, subsample).sumOfSquares(),
  })
}

/** Σₙ gₙ without the terms of parameters alone that a gradient has: the mean, for merging variances. */
function SampleSum(): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    // Messages are about what the user asked for.
    name: 'variance',
    options: {},
    flow: gradientFlow,
    merge: 'sum',
    parameter: ({ contribution }) => contribution.weightedSum(ones([contribution.samples])),
  })
}

/**
 * Variance of the individual gradients over the batch, 1/N Σₙ (gₙ − ḡ)² (biased: divisor N), `[...parameter.shape]`.
 * Computed from centred values: exact in single precision even where the mean is far larger than the spread.
 */
export function Variance(options: SubsampleOptions = {}): Extension<ParameterMap<Tensor>> {
  const { subsample } = options
  checkSubsample('Variance', subsample)
  return defineExtension({
    name: 'variance',
    options: { subsample: subsampleKey(subsample) },
    flow: gradientFlow,
    degree: 2,
    needs: { sums: SampleSum() },
    ...(subsample === undefined && { merge: mergedVariance }),
    parameter: ({ contribution }) => variance(chosen(contribution, subsample)),
  })
}

function variance(contribution: Contribution): Tensor {
  return mul(contribution.centredSumOfSquares(), 1 / contribution.samples)
}

/**
 * Within the parts, and between their means: N V = Σ n (v + (m − m̄)²).
 *
 * Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
 */
function mergedVariance(
  parts: readonly Part<ParameterMap<Tensor>, { readonly sums: Extension<ParameterMap<Tensor>> }>[],
): ParameterMap<Tensor> {
  const total = parts.reduce((count, { n }) => count + n, 0)
  return parts[0]!.result.map((_, parameter) => {
    const averaged = (each: (part: (typeof parts)[number]) => Tensor): Tensor =>
      mul(
        parts.map(each).reduce((a, b) => add(a, b)),
        1 / total,
      )
    const mean = averaged(({ needs }) => needs.sums.get(parameter))
    return averaged(({ result, needs, n }) => {
      const own = mul(needs.sums.get(parameter), 1 / n)
      return mul(add(result.get(parameter), square(sub(own, mean))), n)
    })
  })
}
