/** @file Squared error, and the losses of residuals that grow more slowly: Huber's, its smooth L1 form, and the absolute error. */
import {
  abs,
  cast,
  clip,
  full,
  lessEqual,
  mul,
  random,
  square,
  sub,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { defineLoss, type LossDefinition, type LossInputs, type LossNode } from '../loss.ts'
import { checkAlike, checkPositive, checkSamples, type LossOptions, termsOf } from './terms.ts'

const residual = ({ output, target }: LossInputs): Tensor => sub(output, target as Tensor)

/** [draws, ...output.shape], as random leaves want it. */
export function drawsFor(output: Tensor, draws: number): readonly [number, number, ...number[]] {
  const [samples, ...rest] = output.shape as [number, ...number[]]
  return [draws, samples, ...rest]
}

/** The same number for each entry: one column, [1, ...output.shape]. */
const constantColumn = (output: Tensor, value: number): Tensor => full([1, ...output.shape], value)

/** One column of a number for each entry: [1, ...output.shape]. */
export const oneColumn = (x: Tensor): Tensor => x.reshape([1, ...x.shape])

const squaredErrorNode = /* @__PURE__ */ defineLoss({
  name: 'mse',
  each: (inputs) => square(residual(inputs)),
  hessianRoot: ({ output }) => constantColumn(output, Math.SQRT2),
  // 2 (f − y), y ~ N(f, ½): √2 times a standard normal.
  sampleRoot: ({ output }, { draws, seed }) =>
    random(drawsFor(output, draws), { distribution: 'normal', seed, stream: 'mse' }).mul(
      Math.SQRT2 / Math.sqrt(draws),
    ),
})

const absoluteErrorNode = /* @__PURE__ */ defineLoss({
  name: 'l1',
  each: (inputs) => abs(residual(inputs)),
  hessianRoot: ({ output }) => zeros([1, ...output.shape]),
})

/** Huber's loss, c (r − c/2) for c the residual kept within ±δ; the quadratic part has curvature 1. */
const huberOf = (delta: number): LossDefinition => ({
  name: 'huber',
  each: (inputs) => {
    const r = residual(inputs)
    const c = clip(r, -delta, delta)
    return mul(c, sub(r, mul(c, 0.5)))
  },
  hessianRoot: (inputs) => oneColumn(cast(lessEqual(abs(residual(inputs)), delta), 'float32')),
})

/** Huber's loss of δ = β, divided by β. */
const smoothL1Of = (beta: number): LossDefinition => {
  const huber = huberOf(beta)
  return {
    name: 'smooth-l1',
    each: (inputs) => mul(huber.each(inputs), 1 / beta),
    hessianRoot: (inputs) => mul(huber.hessianRoot!(inputs), 1 / Math.sqrt(beta)),
  }
}

/** The same threshold is the same op. */
function byThreshold(define: (threshold: number) => LossDefinition): (threshold: number) => LossNode {
  const known = new Map<number, LossNode>()
  return (threshold) => {
    let node = known.get(threshold)
    if (node === undefined) {
      const { name, ...rest } = define(threshold)
      known.set(threshold, (node = defineLoss({ name: `${name}(${threshold})`, ...rest })))
    }
    return node
  }
}

const huberNode = /* @__PURE__ */ byThreshold(huberOf)
const smoothL1Node = /* @__PURE__ */ byThreshold(smoothL1Of)

/** A loss of every entry of an output and a target of the same shape. */
export function elementwiseLoss(
  name: string,
  node: LossNode,
  output: Tensor,
  target: Tensor,
  options: LossOptions,
): Tensor {
  checkSamples(name, output)
  checkAlike(name, output, target)
  return node({ output, target }, termsOf(name, options, output.shape))
}

/**
 * Squared error Σ (output − target)²; "mean" divides by the number of entries, as PyTorch does.
 *
 * @param output [N, ...]
 * @param target of the same shape and dtype
 */
export function mseLoss(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return elementwiseLoss('mseLoss', squaredErrorNode, output, target, options)
}

/**
 * Absolute error Σ |output − target|, without curvature; "mean" divides by the number of entries.
 *
 * @param output [N, ...]
 * @param target of the same shape and dtype
 */
export function l1Loss(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return elementwiseLoss('l1Loss', absoluteErrorNode, output, target, options)
}

export interface HuberOptions extends LossOptions {
  /** Where squares turn into lines. Default: 1. */
  readonly delta?: number | undefined
}

/**
 * Huber's loss: ½ r² for residuals |r| ≤ δ, δ (|r| − δ/2) beyond; "mean" divides by the number of entries.
 *
 * @param output [N, ...]
 * @param target of the same shape and dtype
 */
export function huberLoss(output: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const { delta = 1 } = options
  checkPositive('huberLoss', 'delta', delta)
  return elementwiseLoss('huberLoss', huberNode(delta), output, target, options)
}

export interface SmoothL1Options extends LossOptions {
  /** Where squares turn into lines; 0 for the absolute error. Default: 1. */
  readonly beta?: number | undefined
}

/**
 * Smooth absolute error: r²/(2β) for residuals |r| ≤ β, |r| − β/2 beyond; "mean" divides by the number of entries.
 *
 * @param output [N, ...]
 * @param target of the same shape and dtype
 */
export function smoothL1Loss(output: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const { beta = 1 } = options
  if (beta === 0) return elementwiseLoss('smoothL1Loss', absoluteErrorNode, output, target, options)
  checkPositive('smoothL1Loss', 'beta', beta)
  return elementwiseLoss('smoothL1Loss', smoothL1Node(beta), output, target, options)
}
