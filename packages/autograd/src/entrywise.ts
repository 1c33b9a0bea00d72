/**
 * @file Runs of ops that act entry by entry on one tensor, such as an activation that is composed of several: seen together they
 * are one function φ, whose own second derivative is the diagonal φ''⊙δ. What is made positive is that, not what the single
 * ops of φ bend.
 */
import {
  add,
  type AnyTensor,
  isFloat,
  mul,
  ones,
  placeholder,
  sizeOf,
  substitute,
  type Tensor,
} from '@beyondgrad/tensor'
import { type Analysis, lossSlope } from './analysis.ts'
import { expandForDerivatives, pullBack } from './pullback.ts'
import { ruleOf } from './rules/index.ts'

/** The second derivatives of all such runs. */
export interface EntrywiseRuns {
  /** Σ φ''⊙δ at the tensor that runs start from, in its shape; undefined where no run starts, or none bends. */
  bendAt(source: AnyTensor): Tensor | undefined
  /** Whether an op is a part of a run, and so accounted for. */
  has(node: AnyTensor): boolean
}

/**
 * Finds the runs among some nodes.
 *
 * @param active nodes whose derivative counts; others are constants
 */
export function entrywiseRuns(analysis: Analysis, active: ReadonlySet<AnyTensor>): EntrywiseRuns {
  const sourceOf = new Map<AnyTensor, AnyTensor>()
  const users = new Map<AnyTensor, AnyTensor[]>()
  const members = new Map<AnyTensor, AnyTensor[]>()
  for (const node of analysis.order) {
    if (!active.has(node)) continue
    for (const input of new Set(node.inputs)) users.set(input, [...(users.get(input) ?? []), node])
    const source = sourceThrough(node, active, sourceOf, analysis)
    sourceOf.set(node, source)
    if (source !== node) members.set(source, [...(members.get(source) ?? []), node])
  }
  return {
    has: (node) => active.has(node) && sourceOf.get(node) !== node,
    bendAt: (source) => {
      const run = members.get(source)
      if (run === undefined || run.every((node) => ruleOf(node).curvature === 'none')) return undefined
      const inside = new Set(run)
      const exits = run.flatMap((node) => {
        const outside = (users.get(node) ?? []).filter((user) => !inside.has(user))
        const delta = arriving(analysis, node, outside)
        return delta === undefined
          ? []
          : [{ node, delta, held: placeholder(node.shape, 'float32', 'cotangent') }]
      })
      const [slope] = pullBack(
        exits.map(({ node, held }) => [node as Tensor, held] as const),
        [source],
      )
      if (slope === undefined) return undefined
      const [bend] = pullBack([[expandForDerivatives([slope])[0]!, ones(source.shape)]], [source])
      return bend && (substitute([bend], new Map(exits.map(({ held, delta }) => [held, delta])))[0] as Tensor)
    },
  }
}

/** The tensor that a node is a function of, entry by entry; the node itself where it is no such function. */
function sourceThrough(
  node: AnyTensor,
  active: ReadonlySet<AnyTensor>,
  known: ReadonlyMap<AnyTensor, AnyTensor>,
  { axes }: Analysis,
): AnyTensor {
  const inputs = node.inputs.filter((input) => active.has(input))
  const [first] = inputs
  if (first === undefined || !isFloat(node.dtype) || ruleOf(node).partial === undefined) return node
  if (inputs.some((input) => sizeOf(input.shape) !== sizeOf(node.shape))) return node
  // Where a parameter meets samples, one sample is no exception: the parameter's side is not the activation's.
  if (axes.of(node) !== undefined && inputs.some((input) => axes.of(input) === undefined)) return node
  const source = known.get(first)!
  return inputs.every((input) => known.get(input) === source) ? source : node
}

/** What of a node's cotangent comes from some of its users, or from a loss. */
function arriving(analysis: Analysis, node: AnyTensor, users: readonly AnyTensor[]): Tensor | undefined {
  const parts: Tensor[] = []
  for (const loss of analysis.losses) {
    if (loss.output === node) parts.push(mul(lossSlope(loss), loss.scale))
  }
  for (const user of users) {
    const cotangent = analysis.cotangent(user)
    if (cotangent === undefined) continue
    ruleOf(user)
      .vjp(
        user,
        cotangent,
        user.inputs.map((input) => input === node),
      )
      .forEach((x, i) => {
        if (x !== undefined && user.inputs[i] === node) parts.push(x)
      })
  }
  return parts.length === 0 ? undefined : parts.reduce((a, b) => add(a, b))
}
