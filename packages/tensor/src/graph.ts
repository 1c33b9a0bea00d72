/** @file Walks over graphs. Nothing recurses: an unrolled recurrent net must not overflow the stack. */
import { type AnyTensor, withInputs } from './node.ts'

/**
 * Every node that the outputs depend on, inputs before their users; an order that finishes branch by branch.
 *
 * @param until nodes not to look behind; they are left out, too
 * @param lastFirst whether the last input of every node comes first
 */
export function topologicalOrder(
  outputs: readonly AnyTensor[],
  until?: ReadonlySet<AnyTensor>,
  lastFirst = false,
): AnyTensor[] {
  const order: AnyTensor[] = []
  const seen = new Set<AnyTensor>()
  const stack: AnyTensor[] = []
  const next: number[] = []
  for (const output of outputs) {
    if (seen.has(output) || until?.has(output)) continue
    seen.add(output)
    stack.push(output)
    next.push(0)
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!
      const i = next[next.length - 1]!
      if (i === node.inputs.length) {
        order.push(node)
        stack.pop()
        next.pop()
        continue
      }
      next[next.length - 1] = i + 1
      const input = node.inputs[lastFirst ? node.inputs.length - 1 - i : i]!
      if (!seen.has(input) && !until?.has(input)) {
        seen.add(input)
        stack.push(input)
        next.push(0)
      }
    }
  }
  return order
}

/**
 * Rebuilds a graph bottom-up: `visit` gets each node over its rebuilt inputs, and as it was, and returns what stands for it.
 *
 * @param known nodes that are replaced already
 */
export function rewrite(
  outputs: readonly AnyTensor[],
  visit: (node: AnyTensor, original: AnyTensor) => AnyTensor,
  known: ReadonlyMap<AnyTensor, AnyTensor> = new Map(),
): AnyTensor[] {
  const done = new Map(known)
  for (const node of topologicalOrder(outputs)) {
    if (done.has(node)) continue
    const inputs = node.inputs.map((input) => done.get(input)!)
    done.set(node, visit(withInputs(node, inputs), node))
  }
  return outputs.map((output) => done.get(output)!)
}

/** The same graph with some nodes replaced by others of the same signature. */
export function substitute(
  outputs: readonly AnyTensor[],
  replacements: ReadonlyMap<AnyTensor, AnyTensor>,
): AnyTensor[] {
  return rewrite(outputs, (node) => node, replacements)
}

/** Nodes that depend on one for which `is` holds, that one included. */
export function dependents(order: readonly AnyTensor[], is: (node: AnyTensor) => boolean): Set<AnyTensor> {
  const found = new Set<AnyTensor>()
  for (const node of order) {
    if (is(node) || node.inputs.some((input) => found.has(input))) found.add(node)
  }
  return found
}
