/**
 * @file Composite nodes: several answers to one question, of which one is chosen when the whole request is known.
 */
import { rewrite, topologicalOrder } from './graph.ts'
import { type AnyTensor, build, type Tensor } from './node.ts'
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
export function expandComposites(outputs: readonly AnyTensor[]): AnyTensor[] {
  const composites = topologicalOrder(outputs).filter((node) => node.op.family === 'composite')
  if (composites.length === 0) return [...outputs]
  const byInput = new Map<AnyTensor, AnyTensor[]>()
  for (const node of composites) {
    const first = node.inputs[0]!
    byInput.set(first, [...(byInput.get(first) ?? []), node])
  }
  const request: Request = { siblings: (input) => byInput.get(input) ?? [] }
  return rewrite(outputs, (node, original) => {
    if (node.op.family !== 'composite') return node
    // The request is about the graph as it was asked for.
    const chosen = node.op.choose?.(original, request) ?? node.op.alternatives![0]!
    return expandComposites([chosen.expand(node.inputs, node.attributes)])[0]!
  })
}
