/** @file Losses of log-probabilities: the Kullback-Leibler divergence, and the negative log-likelihood of class indices. */
import {
  BeyondgradError,
  exp,
  greater,
  guard,
  log,
  logSoftmax,
  mul,
  neg,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from '@beyondgrad/tensor'
import { defineLoss, type Reduction } from '../loss.ts'
import { categoricalRoot, categoricalSample, ofTargets, rootOfMass } from './categorical.ts'
import {
  checkClassAxis,
  checkedClassWeight,
  checkIndices,
  classesLast,
  guardIndices,
  indexTerms,
} from './cross-entropy.ts'
import {
  checkAlike,
  checkReduction,
  checkSamples,
  type LossOptions,
  positive,
  spreadWeight,
} from './terms.ts'

/** y log y, which is 0 at 0. */
function timesLog(y: Tensor): Tensor {
  const some = greater(y, 0)
  return where(some, mul(y, log(where(some, y, 1))), 0)
}

/** Σ y (log y − f) is linear in log-probabilities f: it has no curvature of its own. */
const ofProbabilitiesNode = /* @__PURE__ */ defineLoss({
  name: 'kl-divergence',
  each: ({ output, target }) => sub(timesLog(target as Tensor), mul(target as Tensor, output)),
  hessianRoot: ({ output }) => zeros([1, ...output.shape]),
})

const ofLogarithmsNode = /* @__PURE__ */ defineLoss({
  name: 'kl-divergence of logarithms',
  each: ({ output, target }) => mul(exp(target as Tensor), sub(target as Tensor, output)),
  hessianRoot: ({ output }) => zeros([1, ...output.shape]),
})

/** The same of the logits that become log-probabilities: [N, …, C] with one term for all classes. */
const ofLogitsNode = /* @__PURE__ */ defineLoss({
  name: 'kl-divergence of logits',
  each: ({ output, target }) =>
    sum(sub(timesLog(target as Tensor), mul(target as Tensor, logSoftmax(output))), [-1]),
  hessianRoot: (inputs) => mul(categoricalRoot(inputs.output), rootOfMass(inputs.target as Tensor)),
  sampleRoot: (inputs, sampling) =>
    mul(categoricalSample(inputs.output, sampling), rootOfMass(inputs.target as Tensor)),
})

export interface DivergenceOptions extends Omit<LossOptions, 'reduction'> {
  /** "mean" divides by the number of entries, as PyTorch does; "batchmean", which is the divergence, by N. Default: "mean". */
  readonly reduction?: Reduction | 'batchmean' | undefined
  /** Whether the target holds logarithms of probabilities. Default: false. */
  readonly logTarget?: boolean | undefined
  /** What the output is. Default: "log-probabilities". "logits" are normalised first, and have the curvature of cross-entropy. */
  readonly input?: 'log-probabilities' | 'logits' | undefined
  /** The axis of the classes, for logits. Default: 1; −1 for [N, T, C]. */
  readonly axis?: number | undefined
}

/**
 * The Kullback-Leibler divergence Σ y (log y − log p) of a model's distribution p from a target y.
 *
 * @param output log-probabilities [N, ...], or logits [N, C] or [N, C, ...]
 * @param target of the same shape and dtype
 */
export function klDivergence(output: Tensor, target: Tensor, options: DivergenceOptions = {}): Tensor {
  const { reduction = 'mean', logTarget = false, input = 'log-probabilities', sampleWeight } = options
  const name = 'klDivergence'
  checkReduction(name, reduction, ['mean', 'sum', 'batchmean'])
  checkSamples(name, output)
  checkAlike(name, output, target)
  const isLogits = input === 'logits'
  if (isLogits) checkClassAxis(name, output, options.axis ?? 1)
  const f = isLogits ? classesLast(output, options.axis) : output
  const aligned = isLogits ? classesLast(target, options.axis) : target
  const y = isLogits && logTarget ? exp(aligned) : aligned
  const terms = isLogits ? f.shape.slice(0, -1) : f.shape
  const weight = sampleWeight && spreadWeight(name, sampleWeight, terms)
  const each = reduction === 'batchmean' ? f.shape[0]! : f.shape.reduce((a, b) => a * b, 1)
  // Weighted, "mean" divides by the weights of as many entries or samples.
  const share = each / terms.reduce((a, b) => a * b, 1)
  const divisor =
    weight === undefined ? each : positive(mul(weight.sum(), share), `${name}: the sum of the weights`)
  const node = isLogits ? ofLogitsNode : logTarget ? ofLogarithmsNode : ofProbabilitiesNode
  const value = node(
    { output: f, target: y },
    { reduction: reduction === 'sum' ? 'sum' : 'mean', weight, divisor },
  )
  if (logTarget) return value
  return guard(value, target, { kind: 'not-negative', what: `${name}: a probability of the target` })
}

/** −f of the target's class; linear, so that all curvature is in what makes the log-probabilities. */
const negativeLogLikelihoodNode = /* @__PURE__ */ defineLoss({
  name: 'nll',
  each: ({ output, target }) => neg(ofTargets(output, target as Tensor<'int32'>)),
  hessianRoot: ({ output }) => zeros([1, ...output.shape]),
})

export interface LikelihoodOptions extends LossOptions {
  /** A weight for each class, [C]; "mean" then divides by the sum of the weights of the targets. */
  readonly weight?: Tensor | undefined
  /** Targets with this number count for nothing. Default: none. */
  readonly ignoreIndex?: number | undefined
  /** The axis of the classes. Default: 1; −1 for [N, T, C]. */
  readonly axis?: number | undefined
}

/**
 * Negative log-likelihood −Σ f[target] of log-probabilities f and class indices. The loss is linear in them: for the curvature of
 * a classifier use `crossEntropy` of the logits.
 *
 * @param output log-probabilities [N, C] or [N, C, ...]
 * @param target class indices [N] or [N, ...]
 */
export function nllLoss(output: Tensor, target: Tensor<'int32'>, options: LikelihoodOptions = {}): Tensor {
  const { reduction = 'mean', ignoreIndex, axis = 1 } = options
  const name = 'nllLoss'
  checkReduction(name, reduction)
  checkSamples(name, output)
  checkClassAxis(name, output, axis)
  if (ignoreIndex !== undefined && !Number.isInteger(ignoreIndex)) {
    throw new BeyondgradError('value', `${name}: ignoreIndex is an integer, not ${ignoreIndex}`)
  }
  const f = classesLast(output, axis)
  checkIndices(name, output, f, target)
  const weight = checkedClassWeight(name, options.weight, f.shape.at(-1)!)
  const terms = indexTerms(name, f, target, { ...options, weight })
  const value = negativeLogLikelihoodNode({ output: f, target }, terms)
  return guardIndices(name, value, target, f.shape.at(-1)!, ignoreIndex)
}
