/**
 * @file Losses that know their curvature: a marked node whose value is c · Σₙ ℓ(outputₙ, targetₙ), and what second
 * order needs beyond the value – a square root of the Hessian with respect to the output, and a sampler of columns
 * whose outer products average to it.
 */
import { type AnyTensor, build, defineComposite, mul, type Op, type Tensor } from '@beyondgrad/tensor'

/** Whether the terms are added, or averaged: then the scale c is 1 / terms. */
export type Reduction = 'mean' | 'sum'

/** What a loss looks at. */
export interface LossInputs {
  /** [N, …]: axis 0 counts the samples. */
  readonly output: Tensor
  readonly target: AnyTensor
}

/** How Monte-Carlo columns are drawn: `draws` independent ones for each sample. */
export interface Sampling {
  readonly draws: number
  readonly seed: number
}

/** What is known of a loss; everything is unscaled and made of ops. */
export interface LossDefinition {
  readonly name: string
  /** Σₙ ℓₙ: a scalar. */
  sum(inputs: LossInputs): Tensor
  /** How many terms the mean is over. */
  terms(inputs: LossInputs): number
  /** Columns S [V, ...output.shape] with Σᵥ Sᵥ Sᵥᵀ = ∇²ℓ for every sample. */
  hessianRoot(inputs: LossInputs): Tensor
  /** Random columns S [draws, ...output.shape] with E[Σᵥ Sᵥ Sᵥᵀ] = ∇²ℓ for every sample. */
  sampleRoot(inputs: LossInputs, sampling: Sampling): Tensor
}

/** The op of a marked loss node; inputs are output and target. */
interface LossOp extends Op {
  readonly loss: LossDefinition
}

/** What a marked loss node stands for; undefined for every other node. */
export function lossOf(node: AnyTensor): LossDefinition | undefined {
  return (node.op as Partial<LossOp>).loss
}

/** The number that the terms of a loss node are multiplied with: 1 / terms, or 1. */
export function lossScale(node: AnyTensor): number {
  const [output, target] = node.inputs as [Tensor, AnyTensor]
  return node.attributes.reduction === 'mean' ? 1 / lossOf(node)!.terms({ output, target }) : 1
}

/** Builds a marked node: a scalar. */
export type LossNode = (inputs: LossInputs, reduction: Reduction) => Tensor

/** Marks a loss. */
export function defineLoss(loss: LossDefinition): LossNode {
  const op: LossOp = {
    ...defineComposite({
      name: `loss:${loss.name}`,
      alternatives: [
        {
          name: 'value',
          expand: ([output, target], { reduction }) => {
            const inputs = { output: output as Tensor, target: target! }
            const total = loss.sum(inputs)
            return reduction === 'mean' ? mul(total, 1 / loss.terms(inputs)) : total
          },
        },
      ],
    }),
    loss,
  }
  return ({ output, target }, reduction) => build(op, [output, target], { reduction })
}
