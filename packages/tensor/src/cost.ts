/** @file What a run costs, roughly: memory, by which an engine may count its executables, and arithmetic. */
import type { DType } from './dtype.ts'
import type { Graph } from './engine.ts'
import { topologicalOrder } from './graph.ts'
import type { AnyTensor } from './node.ts'
import { sizeOf } from './shape.ts'

const elementBytes: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4, int64: 8, bool: 1 }

/**
 * Bytes of all intermediates and results that are alive at the same time when a graph runs op by op and frees each value
 * after its last use; its inputs, which others own, and constants are left out.
 */
export function liveBytes({ outputs }: Graph): number {
  const order = topologicalOrder(outputs)
  const lastUse = new Map<AnyTensor, number>()
  order.forEach((node, at) => {
    for (const input of node.inputs) lastUse.set(input, at)
  })
  for (const output of outputs) lastUse.set(output, Infinity)
  const bytesOf = ({ op, shape, dtype }: AnyTensor): number =>
    op.family === 'leaf' ? 0 : sizeOf(shape) * elementBytes[dtype]
  let [alive, most] = [0, 0]
  order.forEach((node, at) => {
    alive += bytesOf(node)
    most = Math.max(most, alive)
    for (const input of new Set(node.inputs)) if (lastUse.get(input) === at) alive -= bytesOf(input)
  })
  return most
}

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
