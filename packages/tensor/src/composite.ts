/**
 * @file Composite nodes: several answers to one question, of which one is chosen when the whole request is known.
 */
import { topologicalOrder } from './graph.ts'
import { type AnyTensor, build, type Tensor, withInputs } from './node.ts'
import type { Alternative, Attributes, Op, Request } from './op.ts'

/**
 * A composite op. Its alternatives are expressions over other ops with the same result; the first is the plainest,
 * and the one that derivatives are taken of.
 */
export function defineComposite(definition: {
  readonly name: string
  readonly alternatives: readonly [Alternative, ...Alternative[]]
  readonly choose?: Op['choose']
}): Op {
  const [plain] = definition.alternatives
  return {
    ...definition,
    family: 'composite',
    infer: (inputs, attributes) => {
      const { shape, dtype } = plain.expand(inputs, attributes)
      return { shape, dtype }
    },
  }
}

/** A node of a composite op. */
export function composite(op: Op, inputs: readonly AnyTensor[], attributes?: Attributes): Tensor {
  return build(op, inputs, attributes)
}

/** What the node stands for, by its plainest alternative. */
export function expandPlainly(node: AnyTensor): AnyTensor {
  return node.op.alternatives![0]!.expand(node.inputs, node.attributes)
}

/** Replaces every composite by the alternative that suits the whole request. */
export function expandComposites(
  outputs: readonly AnyTensor[],
  options: { chunkBytes: number },
): AnyTensor[] {
  const order = topologicalOrder(outputs)
  if (!order.some((node) => node.op.family === 'composite')) return [...outputs]
  const byInput = new Map<AnyTensor, AnyTensor[]>()
  for (const node of order) {
    if (node.op.family !== 'composite') continue
    const first = node.inputs[0]!
    byInput.set(first, [...(byInput.get(first) ?? []), node])
  }
  const request: Request = {
    siblings: (input) => byInput.get(input) ?? [],
    chunkBytes: options.chunkBytes,
  }
  const done = new Map<AnyTensor, AnyTensor>()
  for (const node of order) {
    const inputs = node.inputs.map((input) => done.get(input)!)
    if (node.op.family !== 'composite') {
      done.set(node, inputs.every((input, i) => input === node.inputs[i]) ? node : withInputs(node, inputs))
      continue
    }
    const chosen = node.op.choose?.(node, request) ?? node.op.alternatives![0]!
    const [expanded] = expandComposites([chosen.expand(inputs, node.attributes)], options)
    done.set(node, expanded!)
  }
  return outputs.map((output) => done.get(output)!)
}
