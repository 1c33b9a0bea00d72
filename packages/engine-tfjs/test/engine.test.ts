/** @file Each backend against the reference engine: the contract, generated graphs and their gradients. */
import { checkEngine, operations } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { backends } from './backends.ts'

describe.each(backends)('the engine on $name', ({ engine, cases, graphics }) => {
  // A graphics card may be wrong by 2⁻¹¹ in sines, cosines and what else it approximates; gradients add some up.
  const tolerance = graphics ? { rtol: 2e-3, atol: 2e-3 } : {}

  it('agrees with the reference engine on graphs of all ops', async () => {
    expect((await checkEngine(engine, { ...tolerance, graphs: cases(150) })).ops.size).toBeGreaterThan(
      graphics ? 20 : 40,
    )
  })

  it('agrees with it op by op', async () => {
    for (const op of operations) {
      await checkEngine(engine, { ...tolerance, graphs: cases(8), operations: [op], seed: 1000 })
    }
  })
})
