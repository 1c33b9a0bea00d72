/** @file Binary cross-entropy of logits, with a weight for what is positive if there is one. */
import {
  BeyondgradError,
  cast,
  exp,
  expand,
  formatShape,
  guard,
  less,
  log,
  maximum,
  mul,
  neg,
  random,
  sigmoid,
  sqrt,
  stack,
  sub,
  sum,
  type Tensor,
} from '@beyondgrad/tensor'
import { defineLoss, type Sampling } from '../loss.ts'
import { drawsFor, elementwiseLoss, oneColumn } from './squared-error.ts'
import { checkAlike, checkSamples, type LossOptions, termsOf } from './terms.ts'

/** log(1 + eᶠ) as max(f, 0) and the rest. The shift keeps exp from overflowing and cancels in every derivative, at f = 0 too. */
function softplusParts(f: Tensor): readonly [Tensor, Tensor] {
  const m = maximum(f, 0)
  return [m, log(exp(f.sub(m)).add(exp(neg(m))))]
}

/** √σ(1 − σ). */
function slopeRoot(f: Tensor): Tensor {
  const s = sigmoid(f)
  return sqrt(s.mul(sub(1, s)))
}

/** σ(f) − y, y drawn from Bernoulli(σ(f)). */
function bernoulliSample(f: Tensor, { draws, seed }: Sampling): Tensor {
  const s = sigmoid(f)
  const u = random(drawsFor(f, draws), { distribution: 'uniform', seed, stream: 'bce-with-logits' })
  return sub(s, cast(less(u, s), 'float32')).mul(1 / Math.sqrt(draws))
}

const logisticNode = /* @__PURE__ */ defineLoss({
  name: 'bce-with-logits',
  // log(1 + e^f) − f y.
  each: ({ output, target }) => {
    const [m, rest] = softplusParts(output)
    // The large parts first: where they cancel, what is left is `rest`.
    return m.sub(output.mul(target as Tensor)).add(rest)
  },
  hessianRoot: ({ output }) => oneColumn(slopeRoot(output)),
  sampleRoot: ({ output }, sampling) => bernoulliSample(output, sampling),
})

/** a log(1 + e⁻ᶠ) + b log(1 + eᶠ) for a target of masses [..., 2], (a, b). */
const weightedLogisticNode = /* @__PURE__ */ defineLoss({
  name: 'bce-with-logits of masses',
  each: ({ output, target }) => {
    const [m, rest] = softplusParts(output)
    const [positive, mass] = [massOf(target as Tensor, 0), sum(target as Tensor, [-1])]
    return mul(m, mass).sub(output.mul(positive)).add(mul(rest, mass))
  },
  hessianRoot: ({ output, target }) => oneColumn(mul(slopeRoot(output), rootOfMass(target as Tensor))),
  sampleRoot: ({ output, target }, sampling) =>
    mul(bernoulliSample(output, sampling), rootOfMass(target as Tensor)),
})

/** One of the two numbers in the last axis. */
function massOf(target: Tensor, which: number): Tensor {
  const last = target.shape.length - 1
  return target.slice(last, which, which + 1).reshape(target.shape.slice(0, -1))
}

const rootOfMass = (target: Tensor): Tensor => sqrt(sum(target, [-1]))

export interface LogisticOptions extends LossOptions {
  /** What the positive part y log σ is multiplied with; broadcasts with the output, [D] for a number of each output. */
  readonly posWeight?: Tensor | undefined
}

/**
 * Binary cross-entropy Σ log(1 + eᶠ) − f y of logits f; "mean" divides by the number of entries.
 *
 * @param output logits [N, ...]
 * @param target y in [0, 1], of the same shape and dtype
 */
export function bceWithLogits(output: Tensor, target: Tensor, options: LogisticOptions = {}): Tensor {
  const { posWeight } = options
  const name = 'bceWithLogits'
  if (posWeight === undefined) return elementwiseLoss(name, logisticNode, output, target, options)
  checkSamples(name, output)
  checkAlike(name, output, target)
  const masses = stack([mul(target, spread(posWeight, output)), sub(1, target)], output.shape.length)
  const value = weightedLogisticNode({ output, target: masses }, termsOf(name, options, output.shape))
  return guard(value, posWeight, { kind: 'not-negative', what: `${name}: posWeight` })
}

function spread(weight: Tensor, { shape }: Tensor): Tensor {
  const lead = shape.length - weight.shape.length
  const fits = lead >= 0 && weight.shape.every((size, i) => size === 1 || size === shape[lead + i])
  if (fits && weight.dtype === 'float32') return expand(weight, shape)
  throw new BeyondgradError(
    'shape',
    `bceWithLogits: posWeight of shape ${formatShape(weight.shape)} does not broadcast with an output of shape ${formatShape(shape)}`,
  )
}
