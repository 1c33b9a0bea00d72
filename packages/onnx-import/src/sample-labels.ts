/** @file Which axis of a tensor counts the samples, followed forward from the inputs while a model's expression is built. */
import { type AxisLabel, ruleOf, type SampleAxis } from '@beyondgrad/autograd'
import { type AnyTensor, topologicalOrder } from '@beyondgrad/tensor'

/** Follows the samples of some inputs through what is made of them. */
export class SampleLabels {
  readonly samples: number
  private readonly labels: Map<AnyTensor, AxisLabel | 'lost' | undefined>

  /** @param inputs tensors, each with the axis that counts the samples */
  constructor(samples: number, inputs: readonly (readonly [x: AnyTensor, axis: number])[]) {
    this.samples = samples
    this.labels = new Map(inputs.map(([x, axis]) => [x, { axis, outer: 1, inner: 1 }]))
  }
  /** Undefined for what all samples share; `lost` where samples meet, or nothing is known. */
  of(x: AnyTensor): AxisLabel | 'lost' | undefined {
    if (this.labels.has(x)) return this.labels.get(x)
    for (const node of topologicalOrder([x], new Set(this.labels.keys())))
      this.labels.set(node, this.forward(node))
    return this.labels.get(x)
  }

  private forward(node: AnyTensor): AxisLabel | 'lost' | undefined {
    const inputs = node.inputs.map((input) => this.labels.get(input))
    if (inputs.every((label) => label === undefined)) return undefined
    if (inputs.includes('lost')) return 'lost'
    if (node.op.family === 'composite' && !('rule' in node.op && node.op.rule !== undefined)) {
      return this.of(node.op.alternatives![0]!.expand(node.inputs, node.attributes))
    }
    const label: SampleAxis | string = ruleOf(node).labels.forward(
      node,
      inputs as (AxisLabel | undefined)[],
      this.samples,
    )
    return typeof label === 'string' ? 'lost' : label
  }
}
