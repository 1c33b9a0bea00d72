/** @file Nodes in an order in which they can run, whatever order a file has them in. */
import { type Node, titleOf, uses } from './graph.ts'
import type { ImportProblem } from './import-error.ts'

export type Report = (kind: ImportProblem['kind'], message: string, more?: Partial<ImportProblem>) => void

/** Nodes after what they use, else in the order of the file. Names that are not defined here come from outside of a body. */
export function sorted(
  nodes: readonly Node[],
  defined: ReadonlySet<string>,
  closed: boolean,
  report: Report,
): Node[] {
  const maker = new Map<string, number>()
  nodes.forEach((node, i) => node.outputs.forEach((name) => name !== '' && maker.set(name, i)))
  const missing = new Array<number>(nodes.length).fill(0)
  const users = nodes.map((): number[] => [])
  nodes.forEach((node, i) => {
    for (const name of new Set(uses(node))) {
      const from = maker.get(name)
      if (from !== undefined) {
        users[from]!.push(i)
        missing[i]!++
      } else if (closed && name !== '' && !defined.has(name)) {
        report('graph', `${titleOf(node)} uses "${name}", which nothing makes`, {
          node: node.name,
          tensor: name,
        })
      }
    }
  })
  // A file in order stays as it is: the first node that can run comes next.
  const ready = new Ascending()
  missing.forEach((count, i) => count === 0 && ready.push(i))
  const order: Node[] = []
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    order.push(nodes[next]!)
    for (const user of users[next]!) if (--missing[user]! === 0) ready.push(user)
  }
  if (order.length < nodes.length) {
    const stuck = nodes.filter((_, i) => missing[i]! > 0)
    report(
      'graph',
      `${titleOf(stuck[0]!)} is one of ${stuck.length} nodes that wait for each other in a circle`,
      {
        node: stuck[0]!.name,
      },
    )
  }
  return order
}

/** A heap of numbers, the smallest first. */
class Ascending {
  private readonly heap: number[] = []

  push(value: number): void {
    const { heap } = this
    let at = heap.push(value) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]! <= value) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = value
  }
  pop(): number | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= last) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}
