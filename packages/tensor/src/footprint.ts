/** @file How much memory a run needs, roughly: what an engine may count its executables by. */
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
