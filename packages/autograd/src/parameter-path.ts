/**
 * @file What lies between a parameter and its boundary: usually nothing or a transpose, sometimes a computation of its own.
 * Results at the boundary are pulled back through it.
 */
import {
  type AnyTensor,
  dependents,
  lift,
  placeholder,
  reshape,
  sizeOf,
  type Tensor,
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import { cotangentsOf } from './pullback.ts'

/** The operand as seen from the parameter: the sub-graph between the two. */
export interface ParameterPath {
  readonly leaf: AnyTensor
  readonly operand: AnyTensor
}

/** Nodes from the parameter to the operand, of a path that only selects and moves. */
function chain({ leaf, operand }: ParameterPath): AnyTensor[] {
  const nodes = [operand]
  while (nodes[0] !== leaf) nodes.unshift(nodes[0]!.inputs[0]!)
  return nodes
}

/** Whether two selecting paths take different entries of the parameter, as the parts of a projection that was split do. */
export function areDisjoint(a: ParameterPath, b: ParameterPath): boolean {
  const [one, other] = [chain(a), chain(b)]
  const at = one.findIndex((node, i) => node !== other[i])
  const [x, y] = [one[at], other[at]]
  if (x?.op.name !== 'slice' || y?.op.name !== 'slice') return false
  const spans = [x, y].map(({ attributes }) => {
    const { starts, counts, steps } = attributes as Record<string, readonly number[]>
    return starts!.map((start, axis) => [start, start + (counts![axis]! - 1) * steps![axis]!] as const)
  })
  return spans[0]!.some(([start, end], axis) => {
    const [from, to] = spans[1]![axis]!
    return end < from || to < start
  })
}

const selecting = new Set(['reshape', 'transpose', 'slice', 'flip', 'guard', 'checkpoint', 'turn'])

/** The map from parameter to operand, and the transpose through which results come back. */
export function parameterMap({ leaf, operand }: ParameterPath): {
  readonly selects: boolean
  readonly pull: (result: Tensor, lead: number) => Tensor
} {
  if (leaf === operand) return { selects: true, pull: (x) => x }
  const order = topologicalOrder([operand])
  const between = dependents(order, (node) => node === leaf)
  between.delete(leaf)
  const users = [...between].filter((node) => node.inputs.includes(leaf)).length
  const selects = [...between].every((node) => selecting.has(node.op.name)) && users === 1
  const pull = (result: Tensor, lead: number): Tensor => {
    const one = placeholder(operand.shape, 'float32', 'cotangent')
    const back = cotangentsOf([[operand, one]], order, new Set([...between, leaf])).get(leaf)
    const head = result.shape.slice(0, lead)
    if (back === undefined) return zeros([...head, ...leaf.shape])
    const count = sizeOf(head)
    const flat = reshape(result, [count, ...operand.shape])
    const { results } = lift([back], new Map([[one, flat]]), count, new Set([...order]))
    return reshape(results[0] as Tensor, [...head, ...leaf.shape])
  }
  return { selects, pull }
}
