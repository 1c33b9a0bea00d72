/**
 * @file Losses that samples and curvature can be told of: a marked node whose value is c · Σ w ℓ, with a term ℓ for each sample
 * (and position), and what second order may know beyond the value – a square root of the Hessian with respect to the output,
 * and a sampler of columns whose outer products average to it.
 */
import {
  type AnyTensor,
  type Attributes,
  build,
  constant,
  defineComposite,
  div,
  mul,
  type Op,
  reshape,
  sizeOf,
  sum,
  type Tensor,
} from '@beyondgrad/tensor'

/** Whether the terms are added, or averaged: then the scale c is 1 / terms, or 1 / Σ w where terms are weighted. */
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

/**
 * What is known of a loss; everything is unscaled, unweighted and made of ops. Its terms are [N, …terms], and where these axes
 * are the first ones of the output, term [n, t] looks at output[n, t, …] alone: its *block*.
 */
export interface LossDefinition {
  readonly name: string
  /** Every term: [N, …terms]. */
  each(inputs: LossInputs): Tensor
  /**
   * Columns S [V, ...output.shape] of every block at once: Σᵥ Sᵥ Sᵥᵀ is the Hessian within each block (between blocks it is zero,
   * whatever the columns say). Left out, the Hessian comes from `each`, and may be indefinite.
   */
  readonly hessianRoot?: ((inputs: LossInputs) => Tensor) | undefined
  /**
   * Random columns S [draws, ...output.shape] with E[Σᵥ Sᵥ Sᵥᵀ] = ∇²ℓ, drawn for every block by itself with mean zero. Left out,
   * they are random signs times the root.
   */
  readonly sampleRoot?: ((inputs: LossInputs, sampling: Sampling) => Tensor) | undefined
}

/** What a node of a loss holds besides output and target. */
export interface LossTerms {
  readonly reduction: Reduction
  /** What every term is multiplied with, in the shape of the terms. */
  readonly weight?: Tensor | undefined
  /** What "mean" divides by. Default: the sum of the weights; without weights the number of terms. */
  readonly divisor?: number | Tensor | undefined
  /** How many leading axes of the output count blocks, samples included. Default: as many as the terms have. */
  readonly blockAxes?: number | undefined
}

/** The op of a marked loss node; inputs are output, target, and where there are some the weight and the divisor. */
interface LossOp extends Op {
  readonly loss: LossDefinition
}

/** What a marked loss node stands for; undefined for every other node. */
export function lossOf(node: AnyTensor): LossDefinition | undefined {
  return (node.op as Partial<LossOp>).loss
}

/** A factor that may depend on data. */
export interface Scale {
  /** The number, where it is known before the data is. */
  readonly known: number | undefined
  /** The factor as an expression, always; a scalar. */
  readonly value: Tensor
}

/** The inputs of a loss node, by their names, and how many of the output's leading axes count blocks. */
export interface LossNodeParts extends LossInputs {
  readonly weight: Tensor | undefined
  readonly blockAxes: number
}

/** Reads a marked loss node. */
export function lossParts({ inputs, attributes }: AnyTensor): LossNodeParts {
  const [output, target] = inputs as readonly [Tensor, AnyTensor]
  const weight = attributes.weighted ? (inputs[2] as Tensor) : undefined
  return { output, target, weight, blockAxes: attributes.blockAxes as number }
}

/** What the terms of a loss node are multiplied with beyond their weights: 1 under "sum", 1 / divisor under "mean". */
export function lossScale({ inputs, attributes }: AnyTensor): Scale {
  if (attributes.reduction === 'sum') return { known: 1, value: constant(1) }
  if (attributes.divided) return { known: undefined, value: div(1, inputs.at(-1) as Tensor) }
  if (attributes.divisor === undefined) return { known: undefined, value: div(1, sum(inputs[2] as Tensor)) }
  const known = 1 / (attributes.divisor as number)
  return { known, value: constant(known) }
}

/** Σ w ℓ over all terms: what a loss node is without its scale. */
export function lossTotal(
  definition: LossDefinition,
  inputs: LossInputs & { readonly weight?: Tensor | undefined },
): Tensor {
  const each = definition.each(inputs)
  return sum(inputs.weight === undefined ? each : mul(each, inputs.weight))
}

/** A number for each term as it broadcasts with the output, whose first axes the terms' are. */
export function alongBlocks(perTerm: Tensor, output: Tensor): Tensor {
  const missing = output.shape.length - perTerm.shape.length
  return missing === 0 ? perTerm : reshape(perTerm, [...perTerm.shape, ...Array<number>(missing).fill(1)])
}

/** Builds a marked node: a scalar. */
export type LossNode = (inputs: LossInputs, terms: LossTerms) => Tensor

/** Marks a loss. */
export function defineLoss(loss: LossDefinition): LossNode {
  const op: LossOp = {
    ...defineComposite({
      name: `loss:${loss.name}`,
      alternatives: [{ name: 'value', expand: (inputs, attributes) => valueOf(loss, inputs, attributes) }],
    }),
    loss,
  }
  return ({ output, target }, { reduction, weight, divisor, blockAxes }) => {
    const { shape } = loss.each({ output, target })
    const divided = typeof divisor === 'object'
    const extra = [weight, divided ? divisor : undefined].filter((x) => x !== undefined)
    const known = divided ? undefined : (divisor ?? (weight === undefined ? sizeOf(shape) : undefined))
    return build(op, [output, target, ...extra], {
      reduction,
      weighted: weight !== undefined,
      divided,
      divisor: known,
      blockAxes: blockAxes ?? shape.length,
    })
  }
}

function valueOf(loss: LossDefinition, inputs: readonly AnyTensor[], attributes: Attributes): Tensor {
  const node = { inputs, attributes } as AnyTensor
  const total = lossTotal(loss, lossParts(node))
  if (attributes.reduction === 'sum') return total
  const { known, value } = lossScale(node)
  return mul(total, known ?? value)
}
