/** @file A graph as a list of steps: which kernel runs when, and which values nobody needs afterwards. */
import { type AnyTensor, type Graph, type HostArray, sizeOf, topologicalOrder } from '@beyondgrad/tensor'
import { constantSource, type Source } from './data.ts'
import { kernelOf } from './kernels/index.ts'
import { type Kernel } from './kernels/kernel.ts'
import { overflowCheckOf } from './overflow.ts'

/** Makes one value; values are numbered by the step that makes them. */
export interface Step {
  readonly node: AnyTensor
  readonly inputs: readonly number[]
  /** A leaf's data or an op's kernel. */
  readonly work: { readonly source: Source } | { readonly kernel: Kernel }
  /** Computes a number that must stay within the backend's integers. */
  readonly check: Kernel | undefined
  /** Values whose last use this is. */
  readonly frees: readonly number[]
}

export interface Plan {
  readonly steps: readonly Step[]
  readonly outputs: readonly number[]
}

/** @param integers up to where the backend's integers are exact */
export function planOf({ inputs, outputs }: Graph, integers: number): Plan {
  const order = topologicalOrder(outputs)
  const position = new Map(order.map((node, i) => [node, i]))
  const feed = new Map(inputs.map((input, i) => [input, i]))
  const results = outputs.map((output) => position.get(output)!)
  const lastUse = new Map<number, number>()
  order.forEach((node, at) => {
    for (const input of node.inputs) lastUse.set(position.get(input)!, at)
  })
  for (const result of results) lastUse.delete(result)
  const frees = new Map<number, number[]>()
  for (const [value, at] of lastUse) frees.set(at, [...(frees.get(at) ?? []), value])
  const steps = order.map((node, at): Step => {
    const slot = feed.get(node)
    const isLeaf = slot !== undefined || node.op.family === 'leaf'
    return {
      node,
      inputs: node.inputs.map((input) => position.get(input)!),
      work: isLeaf
        ? {
            source: slot === undefined ? constantSource(node) : (feeds: readonly HostArray[]) => feeds[slot]!,
          }
        : { kernel: kernelOf(node) },
      check: isLeaf || sizeOf(node.shape) === 0 ? undefined : overflowCheckOf(node, integers),
      frees: frees.get(at) ?? [],
    }
  })
  return { steps, outputs: results }
}
