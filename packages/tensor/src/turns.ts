/**
 * @file Rounds one after the other. Where turns are marked, the start of a round is made to depend on the results of the round
 * before it, so that no engine works on two of them at once and keeps what both need.
 */
import { after } from './after.ts'
import { topologicalOrder } from './graph.ts'
import { type AnyTensor, withInputs } from './node.ts'
import { concat, reshape, slice } from './ops/movement.ts'
import { sizeOf } from './shape.ts'

const isMark = (node: AnyTensor): boolean => node.op.name === 'turn'

/** The marks that a node depends on. */
interface Turn {
  /** If it is one. */
  readonly only?: AnyTensor
  /** The last of them, if all belong together. */
  readonly last?: Place
}

/** A mark, and where it is in the order. */
interface Place {
  readonly mark: AnyTensor
  readonly at: number
}

/** Takes the marks of turns out of a graph, and lets each round wait for the one before it. */
export function takeTurns(outputs: readonly AnyTensor[]): readonly AnyTensor[] {
  const order = topologicalOrder(outputs)
  const marks = order.filter(isMark)
  if (marks.length === 0) return outputs
  const ends = endsOf(order, new Set(outputs))
  const before = new Map<AnyTensor, readonly AnyTensor[]>()
  for (const rounds of together(marks)) {
    rounds.forEach((mark, i) => i > 0 && before.set(mark, ends.get(rounds[i - 1]!) ?? []))
  }
  return rebuilt(outputs, before)
}

/** Marks of the same rounds, none before one that it depends on. */
function together(marks: readonly AnyTensor[]): AnyTensor[][] {
  const groups = new Map<unknown, AnyTensor[]>()
  for (const mark of marks) {
    const { of } = mark.attributes
    groups.set(of, [...(groups.get(of) ?? []), mark])
  }
  return [...groups.values()]
}

/** What a round comes to: where its results meet those of other rounds, or leave the graph. */
function endsOf(
  order: readonly AnyTensor[],
  outputs: ReadonlySet<AnyTensor>,
): ReadonlyMap<AnyTensor, readonly AnyTensor[]> {
  const turns = new Map<AnyTensor, Turn>()
  const ends = new Map<AnyTensor, Set<AnyTensor>>()
  const end = (mark: AnyTensor, node: AnyTensor): void => {
    const known = ends.get(mark)
    if (known) known.add(node)
    else ends.set(mark, new Set([node]))
  }
  for (const [at, node] of order.entries()) {
    const turn = isMark(node)
      ? { only: node, last: { mark: node, at } }
      : joined(node.inputs.map((x) => turns.get(x)))
    if (turn === undefined) continue
    turns.set(node, turn)
    if (turn.only !== undefined) {
      if (outputs.has(node)) end(turn.only, node)
      continue
    }
    for (const input of node.inputs) {
      const { only } = turns.get(input) ?? {}
      // A sum of this round and those before it is as good as the term, which need not be kept then.
      if (only !== undefined) end(only, turn.last?.mark === only && node.op.name === 'add' ? node : input)
    }
  }
  return new Map([...ends].map(([mark, nodes]) => [mark, [...nodes]]))
}

function joined(turns: readonly (Turn | undefined)[]): Turn | undefined {
  const present = turns.filter((turn) => turn !== undefined)
  const [first] = present
  if (first === undefined) return undefined
  if (first.only !== undefined && present.every(({ only }) => only === first.only)) return first
  const last = present.reduce<Place | undefined>((a, { last: b }) => {
    if (a === undefined || b === undefined || a.mark.attributes.of !== b.mark.attributes.of) return undefined
    return a.at < b.at ? b : a
  }, first.last)
  return last === undefined ? {} : { last }
}

/** The graph without marks; `before` are nodes that must come before a mark. */
function rebuilt(
  outputs: readonly AnyTensor[],
  before: ReadonlyMap<AnyTensor, readonly AnyTensor[]>,
): AnyTensor[] {
  const done = new Map<AnyTensor, AnyTensor>()
  const open = new Set<AnyTensor>()
  const stack: { node: AnyTensor; next: number }[] = []
  const enter = (node: AnyTensor): void => {
    open.add(node)
    stack.push({ node, next: 0 })
  }
  for (const output of outputs) {
    if (!done.has(output) && !open.has(output)) enter(output)
    while (stack.length > 0) {
      const top = stack.at(-1)!
      const { node } = top
      const needs = [...(before.get(node) ?? []), ...node.inputs]
      const need = needs[top.next++]
      // What is on its way here can't come before.
      if (need !== undefined) {
        if (!done.has(need) && !open.has(need)) enter(need)
        continue
      }
      stack.pop()
      open.delete(node)
      const inputs = node.inputs.map((input) => done.get(input)!)
      const tokens = (before.get(node) ?? []).flatMap((each) => done.get(each) ?? [])
      done.set(node, isMark(node) ? waiting(inputs[0]!, tokens) : withInputs(node, inputs))
    }
  }
  return outputs.map((output) => done.get(output)!)
}

/** x, but not before all tokens. */
function waiting(x: AnyTensor, tokens: readonly AnyTensor[]): AnyTensor {
  const entries = tokens
    .filter(({ shape, dtype }) => sizeOf(shape) > 0 && dtype === 'float32')
    .map(firstEntry)
  if (entries.length === 0) return x
  return after(entries.length === 1 ? entries[0]! : concat(entries as never[], 0), x)
}

const firstEntry = (x: AnyTensor): AnyTensor => slice(reshape(x as never, [sizeOf(x.shape)]), 0, 0, 1)
