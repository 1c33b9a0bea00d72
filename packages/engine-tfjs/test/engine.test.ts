/** @file Each backend against the reference engine: the contract, generated graphs and their gradients. */
import { checkEngine, type EngineReport, engineTable } from '@beyondgrad/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { backends } from './backends.ts'

const reports = new Map<string, EngineReport>()

afterAll(() => {
  if (typeof document !== 'undefined') console.info(engineTable(reports))
})

describe.each(backends)('the engine on $name', ({ name, engine, cases, graphics }) => {
  // A graphics card may be wrong by 2⁻¹¹ in sines, cosines and what else it approximates; gradients add some up.
  const tolerance = graphics ? { rtol: 2e-3, atol: 2e-3 } : {}

  it('agrees with the reference engine on graphs of all ops, and op by op', async () => {
    const report = await checkEngine(engine, { ...tolerance, graphs: cases(150), each: cases(8), seed: 1000 })
    expect(report.ops.size).toBeGreaterThan(graphics ? 40 : 60)
    expect([...report.refusals]).toEqual([])
    reports.set(name, report)
  })
})
