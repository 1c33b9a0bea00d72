/** @file How much a graph computes, roughly: a graph of next to nothing is quicker without a thread pool. */
import { type AnyTensor, type Graph, sizeOf, topologicalOrder } from '@beyondgrad/tensor'

/** Multiplications and other element operations of one run. */
export function workOf({ outputs }: Graph): number {
  let work = 0
  for (const node of topologicalOrder(outputs)) work += workOfNode(node)
  return work
}

function workOfNode(node: AnyTensor): number {
  const size = sizeOf(node.shape)
  const { name } = node.op
  const [a, b] = node.inputs
  if (name === 'matmul') return size * a!.shape.at(-1)!
  if (name === 'conv') return size * sizeOf(b!.shape.slice(1))
  if (name === 'convInput') return sizeOf(a!.shape) * sizeOf(b!.shape.slice(1))
  if (name === 'convWeight') return sizeOf(b!.shape) * sizeOf(node.shape.slice(1))
  // The cotangents of reductions and pools are smaller than what they come from.
  return Math.max(size, ...node.inputs.map((input) => sizeOf(input.shape)))
}
