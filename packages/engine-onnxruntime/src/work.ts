/** @file How much a graph computes, roughly: a graph of next to nothing is quicker without a thread pool. */
import { type AnyTensor, type Graph, sizeOf, topologicalOrder } from '@beyondgrad/tensor'

/** Additions or multiplications outside of products take about as long as this many inside. */
const apart = 16

/** Multiplications of one run, or what takes as long. */
export function workOf({ outputs }: Graph): number {
  let work = 0
  for (const node of topologicalOrder(outputs)) work += workOfNode(node)
  return work
}

function workOfNode(node: AnyTensor): number {
  const size = sizeOf(node.shape)
  const { name, family } = node.op
  const [a, b] = node.inputs
  if (family === 'leaf' || name === 'reshape') return 0
  if (name === 'matmul') return size * a!.shape.at(-1)!
  if (name === 'conv') return size * sizeOf(b!.shape.slice(1))
  if (name === 'convInput') return sizeOf(a!.shape) * sizeOf(b!.shape.slice(1))
  if (name === 'convWeight') return sizeOf(b!.shape) * sizeOf(node.shape.slice(1))
  // Of a table only what is taken counts.
  if (name === 'gather' || name === 'gatherElements') return apart * size
  if (family === 'sort')
    return apart * sizeOf(a!.shape) * Math.log2(a!.shape[node.attributes.axis as number]! + 1)
  // The inputs of reductions and pools are larger than their results.
  return apart * Math.max(size, ...node.inputs.map((input) => sizeOf(input.shape)))
}
