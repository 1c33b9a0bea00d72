/** @file Both backends against the reference engine: the contract, generated graphs and their gradients. */
import { checkEngine, operations } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { backends } from './backends.ts'

describe.each(backends)('the engine on $name', ({ engine, cases }) => {
  it('agrees with the reference engine on graphs of all ops', async () => {
    await expect(checkEngine(engine, { graphs: cases(150) })).resolves.toBeUndefined()
  })

  it('agrees with it op by op', async () => {
    for (const op of operations) await checkEngine(engine, { graphs: cases(8), operations: [op], seed: 1000 })
  })
})
