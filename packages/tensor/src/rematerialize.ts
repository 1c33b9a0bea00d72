/**
 * @file Computing again instead of keeping. Where checkpoints are marked, whatever leads to one is a stretch of the forward
 * pass; who needs a value of a stretch later – the backward pass – gets one that is computed anew from the checkpoints, and not
 * before it can be used: the checkpoint is read through a choice that depends on what arrives at the same time.
 */
import { after } from './after.ts'
import { rewrite, topologicalOrder } from './graph.ts'
import { type AnyTensor, type Tensor, withInputs } from './node.ts'
import { sizeOf } from './shape.ts'

const isMark = (node: AnyTensor): boolean => node.op.name === 'checkpoint'
const isLeaf = (node: AnyTensor): boolean => node.op.family === 'leaf'

/** Takes the marks of checkpoints out of a graph, and lets what lies between them be computed again for later users. */
export function rematerialize(outputs: readonly AnyTensor[]): readonly AnyTensor[] {
  const order = topologicalOrder(outputs)
  const marks = order.filter(isMark)
  if (marks.length === 0) return outputs
  const again = repeatable(order, marks, new Set(outputs))
  const plain = new Map<AnyTensor, AnyTensor>()
  const copies = new Map<AnyTensor, AnyTensor>()
  const done = new Set(marks)
  rewrite(outputs, (node, original) => {
    if (isMark(original)) {
      plain.set(original, node.inputs[0]!)
      return node.inputs[0]!
    }
    const token = again.has(original) ? undefined : tokenFor(original, node, again)
    const rebuilt =
      token === undefined
        ? node
        : withInputs(
            node,
            original.inputs.map((input, i) =>
              again.has(input) ? copyOf(input, token, { done, plain, copies }) : node.inputs[i]!,
            ),
          )
    plain.set(original, rebuilt)
    return rebuilt
  })
  return outputs.map((output) => plain.get(output)!)
}

/** What leads to a checkpoint, and what is made of nothing else: all that may be computed twice. */
function repeatable(
  order: readonly AnyTensor[],
  marks: readonly AnyTensor[],
  outputs: ReadonlySet<AnyTensor>,
): ReadonlySet<AnyTensor> {
  const before = new Set(topologicalOrder(marks.map((mark) => mark.inputs[0]!)))
  const found = new Set<AnyTensor>()
  for (const node of order) {
    if (isMark(node) || isLeaf(node) || node.op.family === 'guard' || outputs.has(node)) continue
    const fromStretch = node.inputs.every((input) => found.has(input) || isMark(input) || isLeaf(input))
    if (before.has(node) ? fromStretch : fromStretch && node.inputs.some((input) => found.has(input))) {
      found.add(node)
    }
  }
  return found
}

/** Something that a node needs besides what may be repeated: its other values must not come before it. */
function tokenFor(
  original: AnyTensor,
  node: AnyTensor,
  again: ReadonlySet<AnyTensor>,
): AnyTensor | undefined {
  if (!original.inputs.some((input) => again.has(input))) return undefined
  const at = original.inputs.findIndex(
    (input) => !again.has(input) && !isMark(input) && !isLeaf(input) && sizeOf(input.shape) > 0,
  )
  return at === -1 ? undefined : node.inputs[at]
}

interface Copies {
  /** Marks, behind which nothing is computed again, and what has a copy already. */
  readonly done: Set<AnyTensor>
  readonly plain: ReadonlyMap<AnyTensor, AnyTensor>
  /** By original: the first who needs one says when it may be computed, and everybody else shares it. */
  readonly copies: Map<AnyTensor, AnyTensor>
}

/** A node computed again from the checkpoints before it, once the token is there. */
function copyOf(node: AnyTensor, token: AnyTensor, { done, plain, copies }: Copies): AnyTensor {
  for (const each of topologicalOrder([node], done)) {
    const inputs = each.inputs.map((input) => {
      if (isMark(input) && !copies.has(input)) copies.set(input, after(token, plain.get(input) as Tensor))
      return copies.get(input) ?? input
    })
    if (isLeaf(each)) continue
    copies.set(each, withInputs(each, inputs))
    done.add(each)
  }
  return copies.get(node)!
}
