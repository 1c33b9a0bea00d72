/** @file The negative log-likelihood of counts that follow a Poisson distribution. */
import { div, exp, greater, log, mul, sqrt, sub, type Tensor, where } from '@beyondgrad/tensor'
import { defineLoss, type LossNode } from '../loss.ts'
import { elementwiseLoss, oneColumn } from './squared-error.ts'
import { checkPositive, type LossOptions, notNegative } from './terms.ts'

/** e^f − y f. Where e^f overflows the loss is infinite, as it is. */
const ofLogarithmNode = /* @__PURE__ */ defineLoss({
  name: 'poisson-nll',
  each: ({ output, target }) => sub(exp(output), mul(target as Tensor, output)),
  hessianRoot: ({ output }) => oneColumn(exp(mul(output, 0.5))),
})

const rateNodes = /* @__PURE__ */ new Map<number, LossNode>()

/** f − y log(f + ε). */
function ofRateNode(eps: number): LossNode {
  let node = rateNodes.get(eps)
  if (node === undefined) {
    node = defineLoss({
      name: `poisson-nll of rates (${eps})`,
      each: ({ output, target }) => sub(output, mul(target as Tensor, log(output.add(eps)))),
      hessianRoot: ({ output, target }) => oneColumn(div(sqrt(target as Tensor), output.add(eps))),
    })
    rateNodes.set(eps, node)
  }
  return node
}

export interface PoissonOptions extends LossOptions {
  /** Whether the output is the logarithm of the rate. Default: true. */
  readonly logInput?: boolean | undefined
  /** Adds Stirling's approximation of log y! for counts above 1. Default: false. */
  readonly full?: boolean | undefined
  /** Keeps log away from 0 when the output is the rate. Default: 1e-8. */
  readonly eps?: number | undefined
}

/**
 * Negative log-likelihood of counts, Σ eᶠ − y f for logarithms of rates f, or Σ f − y log(f + ε) for rates; "mean" divides by the
 * number of entries. Negative counts fail the run (`data`).
 *
 * @param output [N, ...]
 * @param target counts, of the same shape and dtype
 */
export function poissonNLL(output: Tensor, target: Tensor, options: PoissonOptions = {}): Tensor {
  const { logInput = true, full = false, eps = 1e-8 } = options
  checkPositive('poissonNLL', 'eps', eps)
  const node = logInput ? ofLogarithmNode : ofRateNode(eps)
  const value = elementwiseLoss('poissonNLL', node, output, target, options)
  const guarded = notNegative(value, target, 'poissonNLL: the target')
  return full ? guarded.add(stirling(target, options)) : guarded
}

/** y log y − y + ½ log 2πy of counts above 1, reduced as the loss is. */
function stirling(target: Tensor, options: LossOptions): Tensor {
  const isLarge = greater(target, 1)
  const y = where(isLarge, target, 1)
  const each = where(isLarge, sub(mul(y, log(y)), y).add(mul(log(mul(y, 2 * Math.PI)), 0.5)), 0)
  return elementwiseLoss('poissonNLL', constantNode, target, each, options)
}

/** A part of the loss that no parameter changes, weighted and reduced like the rest. */
const constantNode = /* @__PURE__ */ defineLoss({
  name: 'constant',
  each: ({ target }) => target as Tensor,
})
