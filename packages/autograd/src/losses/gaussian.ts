/** @file The negative log-likelihood of a normal distribution whose variance is data, or an output of the model as well. */
import {
  BeyondgradError,
  cellOf,
  div,
  expand,
  formatShape,
  log,
  maximum,
  mul,
  random,
  reciprocal,
  reshape,
  sameShape,
  sqrt,
  square,
  stack,
  sub,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { defineLoss } from '../loss.ts'
import { drawsFor, oneColumn } from './squared-error.ts'
import { checkAlike, checkPositive, checkSamples, type LossOptions, notNegative, termsOf } from './terms.ts'

/** One of the two numbers in the last axis. */
function part(x: Tensor, which: number): Tensor {
  const last = x.shape.length - 1
  return reshape(x.slice(last, which, which + 1), x.shape.slice(0, -1))
}

/** ½ (log v + (μ − y)² / v). */
const negativeLogLikelihood = (mean: Tensor, target: Tensor, variance: Tensor): Tensor =>
  mul(log(variance).add(div(square(sub(mean, target)), variance)), 0.5)

/** The target is [..., 2]: y and the variance. */
const knownVarianceNode = /* @__PURE__ */ defineLoss({
  name: 'gaussian-nll',
  each: ({ output, target }) =>
    negativeLogLikelihood(output, part(target as Tensor, 0), part(target as Tensor, 1)),
  hessianRoot: ({ output, target }) =>
    oneColumn(expand(sqrt(reciprocal(part(target as Tensor, 1))), output.shape)),
  // (f − y) / v, y ~ N(f, v).
  sampleRoot: ({ output, target }, { draws, seed }) =>
    random(drawsFor(output, draws), { distribution: 'normal', seed, stream: 'gaussian-nll' }).mul(
      sqrt(reciprocal(part(target as Tensor, 1))).mul(1 / Math.sqrt(draws)),
    ),
})

/** The output is [..., 2]: mean and variance. Its Hessian is indefinite wherever the mean is not the target. */
const modelledVarianceNode = /* @__PURE__ */ defineLoss({
  name: 'gaussian-nll of mean and variance',
  each: ({ output, target }) => negativeLogLikelihood(part(output, 0), target as Tensor, part(output, 1)),
})

export interface GaussianOptions extends LossOptions {
  /** Adds ½ log 2π to every term. Default: false. */
  readonly full?: boolean | undefined
  /** Smaller variances count as this. Default: 1e-6. */
  readonly eps?: number | undefined
}

/**
 * Negative log-likelihood Σ ½ (log v + (f − y)² / v) of normal distributions with means f and variances v; "mean" divides by
 * the number of means.
 *
 * The variance may be data, or depend on parameters: then curvature is with respect to both. That Hessian is indefinite, so that
 * exact quantities are there, and Monte-Carlo ones are refused. A negative variance fails the run (`data`).
 *
 * @param mean [N, ...]
 * @param target of the same shape
 * @param variance of the same shape, or with size 1 on its last axis
 */
export function gaussianNLL(
  mean: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianOptions = {},
): Tensor {
  const { full = false, eps = 1e-6 } = options
  checkSamples('gaussianNLL', mean)
  checkAlike('gaussianNLL', mean, target)
  checkPositive('gaussianNLL', 'eps', eps)
  const checked = notNegative(variance, variance, 'gaussianNLL: the variance')
  const v = maximum(spread(checked, mean), eps)
  const terms = termsOf('gaussianNLL', options, mean.shape)
  const last = mean.shape.length
  const isModelled = topologicalOrder([variance]).some((node) => cellOf(node) !== undefined)
  const value = isModelled
    ? modelledVarianceNode({ output: stack([mean, v], last), target }, terms)
    : knownVarianceNode({ output: mean, target: stack([target, v], last) }, terms)
  if (!full) return value
  const { reduction, weight } = terms
  const constant = 0.5 * Math.log(2 * Math.PI)
  if (reduction === 'mean') return value.add(constant)
  return value.add(
    weight === undefined ? constant * target.shape.reduce((a, b) => a * b, 1) : mul(weight.sum(), constant),
  )
}

function spread(variance: Tensor, mean: Tensor): Tensor {
  if (sameShape(variance.shape, mean.shape)) return variance
  const short = variance.shape.length === mean.shape.length - 1
  const kept = short ? reshape(variance, [...variance.shape, 1]) : variance
  if (sameShape(kept.shape, [...mean.shape.slice(0, -1), 1])) return expand(kept, mean.shape)
  throw new BeyondgradError(
    'shape',
    `gaussianNLL: the variance must have the shape of the mean, ${formatShape(mean.shape)}, or size 1 on its last axis, not ${formatShape(variance.shape)}`,
  )
}
