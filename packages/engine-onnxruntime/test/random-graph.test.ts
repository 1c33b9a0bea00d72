/** @file The contract of engines, generated graphs and their gradients, against the reference engine. */
import { checkEngine, operations } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { native } from './against-reference.ts'

describe('the engine', () => {
  it('agrees with the reference engine on graphs of all ops', async () => {
    const { ops, refusals } = await checkEngine(native, { graphs: 150 })
    expect(ops.size).toBeGreaterThan(60)
    expect([...refusals]).toEqual([])
  })

  it('agrees with it op by op', async () => {
    for (const op of operations) await checkEngine(native, { graphs: 8, operations: [op], seed: 1000 })
  })
})
