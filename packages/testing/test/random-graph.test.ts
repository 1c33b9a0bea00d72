import { gradient, opsWithRules } from '@beyondgrad/autograd'
import { formatShape, type Tensor, topologicalOrder } from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { operations, randomExpressions, randomInputs } from '../src/index.ts'

const seeds = Array.from({ length: 400 }, (_, seed) => seed)
const printed = (graph: readonly Tensor[]): string[] =>
  graph.map((x) => `${x.op.name} ${formatShape(x.shape)} ${JSON.stringify(x.attributes)}`)

/** The names that the sources of `tensor` give to primitives. */
function primitives(): string[] {
  const folder = new URL('../../tensor/src/ops/', import.meta.url)
  const sources = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  const named = /(?:\bname:|\b(?:unary|binary|comparison|reduction|connective)\()\s*'(\w+)'/g
  return sources.flatMap((source) => [...source.matchAll(named)].map(([, name]) => name!))
}

describe('random graphs', () => {
  it('know every primitive, and so do the rules', () => {
    const names = primitives()
    expect(names.length).toBeGreaterThanOrEqual(71)
    const ruled = new Set(opsWithRules())
    expect(names.filter((name) => !ruled.has(name))).toEqual([])
    const seen = new Set<string>()
    for (const operation of operations) {
      for (const seed of seeds.slice(0, 10)) {
        const inputs = randomInputs({ seed })
        const made = randomExpressions(inputs, { seed, operations: [operation] })
        for (const { op } of topologicalOrder([...made, ...gradient(made.at(-1)!.sum(), inputs)]))
          seen.add(op.name)
      }
    }
    expect(names.filter((name) => !seen.has(name))).toEqual([])
  })

  it('contain every op that has a rule', () => {
    const seen = new Set<string>()
    for (const seed of seeds) {
      const graph = randomExpressions(randomInputs({ seed }), { seed })
      for (const { op } of topologicalOrder(graph)) seen.add(op.name)
    }
    expect(opsWithRules().filter((name) => !seen.has(name))).toEqual([])
  })

  it('have tensors of every rank from 0 to 8', () => {
    const ranks = new Set<number>()
    for (const seed of seeds) {
      const inputs = randomInputs({ seed })
      for (const x of [...inputs, ...randomExpressions(inputs, { seed })]) ranks.add(x.shape.length)
    }
    expect([...ranks].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('are made of the operations that are asked for, each of which finds something to work on', () => {
    for (const name of operations) {
      const made = seeds.flatMap((seed) =>
        randomExpressions(randomInputs({ seed }), { seed, operations: [name] }),
      )
      expect(made.length, name).toBeGreaterThan(seeds.length)
    }
  })

  it('depend on the seed and the shapes of their inputs alone', () => {
    const [some, others] = [randomInputs({ seed: 3 }), randomInputs({ seed: 3 }).map((x) => x.mul(2))]
    const [first, second] = [some, others].map((inputs) => randomExpressions(inputs, { seed: 5, steps: 20 }))
    expect(printed(first!)).toEqual(printed(second!))
    expect(printed(first!)).not.toEqual(printed(randomExpressions(some, { seed: 6, steps: 20 })))
  })

  it('begin as shorter ones do', () => {
    const inputs = randomInputs({ seed: 3 })
    const [long, short] = [12, 4].map((steps) => randomExpressions(inputs, { seed: 9, steps }))
    expect(printed(long!.slice(0, 4))).toEqual(printed(short!))
  })
})
