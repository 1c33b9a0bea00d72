/** @file The reverse sweep: cotangents of some nodes from cotangents of others. */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  dependents,
  expandPlainly,
  formatShape,
  isFloat,
  lift,
  placeholder,
  rewrite,
  sameShape,
  type Tensor,
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import { ownRuleOf } from './define-op.ts'
import { ruleOf } from './rules/index.ts'

/** Adds cotangents that arrive from several users. */
function accumulate(into: Map<AnyTensor, Tensor>, node: AnyTensor, cotangent: Tensor): void {
  const before = into.get(node)
  into.set(node, before ? add(before, cotangent) : cotangent)
}

/**
 * Composites have no rules unless they bring them: rebuilds a graph with the plainest expansion of each that has none,
 * except those that `keep` names.
 */
export function expandForDerivatives(
  outputs: readonly AnyTensor[],
  keep: (node: AnyTensor) => boolean = () => false,
): AnyTensor[] {
  const order = topologicalOrder(outputs)
  const stays = (node: AnyTensor): boolean =>
    node.op.family !== 'composite' || ownRuleOf(node) !== undefined || keep(node)
  if (order.every(stays)) return [...outputs]
  const expand = (node: AnyTensor): AnyTensor => {
    if (stays(node)) return node
    return expandForDerivatives([expandPlainly(node)], keep)[0]!
  }
  return rewrite(outputs, expand)
}

/** The vjp of one node for a cotangent with a leading axis of `columns`; only what depends on it is lifted. */
export function liftedVjp(
  node: AnyTensor,
  cotangent: Tensor,
  columns: number,
  wanted: readonly boolean[],
): readonly (Tensor | undefined)[] {
  const one = placeholder(node.shape, node.dtype, 'cotangent') as AnyTensor as Tensor
  const single = ruleOf(node).vjp(node, one, wanted)
  const present = single.filter((x) => x !== undefined)
  const until = new Set<AnyTensor>([node, ...node.inputs])
  const { results, isBatched } = lift(present, new Map([[one, cotangent]]), columns, until)
  let next = 0
  return single.map((x) => {
    if (x === undefined) return undefined
    const at = next++
    // A cotangent that doesn't depend on the incoming one is zero.
    return isBatched[at] ? (results[at] as Tensor) : zeros([columns, ...x.shape])
  })
}

/**
 * Cotangents of all nodes that depend on a wanted one, from those of `sources`; the graph must be free of composites.
 *
 * @param order the graph of the sources, inputs first
 */
export function cotangentsOf(
  sources: readonly (readonly [AnyTensor, Tensor])[],
  order: readonly AnyTensor[],
  affected: ReadonlySet<AnyTensor>,
): Map<AnyTensor, Tensor> {
  const cotangents = new Map<AnyTensor, Tensor>()
  for (const [node, cotangent] of sources) accumulate(cotangents, node, cotangent)
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at]!
    const cotangent = cotangents.get(node)
    if (cotangent === undefined || !affected.has(node) || node.inputs.length === 0) continue
    // Integers and truth values, such as positions, don't move with what they are made of.
    if (!isFloat(node.dtype)) continue
    const wanted = node.inputs.map((input) => affected.has(input))
    if (!wanted.includes(true)) continue
    ruleOf(node)
      .vjp(node, cotangent, wanted)
      .forEach((x, i) => {
        if (x !== undefined && wanted[i]) accumulate(cotangents, node.inputs[i]!, x)
      })
  }
  return cotangents
}

/**
 * Cotangents at `targets` from those at `sources`, whose graph must be free of composites.
 *
 * @returns undefined for targets that no source depends on
 */
export function pullBack(
  sources: readonly (readonly [AnyTensor, Tensor])[],
  targets: readonly AnyTensor[],
): (Tensor | undefined)[] {
  const order = topologicalOrder(sources.map(([node]) => node))
  const wanted = new Set(targets)
  const affected = dependents(order, (node) => wanted.has(node))
  const cotangents = cotangentsOf(sources, order, affected)
  return targets.map((target) => cotangents.get(target))
}

/** Throws unless a cotangent has the shape of its output, a tangent or vector that of its input. */
export function demandShapeOf(
  what: string,
  role: 'cotangent' | 'tangent' | 'vector',
  given: AnyTensor,
  of: AnyTensor,
): void {
  if (sameShape(given.shape, of.shape)) return
  const counterpart = role === 'cotangent' ? 'output' : 'input'
  throw new BeyondgradError(
    'shape',
    `${what}: the ${role} has shape ${formatShape(given.shape)}, the ${counterpart} ${formatShape(of.shape)}`,
  )
}
