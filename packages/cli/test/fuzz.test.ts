/** @file A few of the made-up calls that `npm run fuzz` makes many of. */
import * as ops from '@beyondgrad/tensor'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { referenceEngine, releaseExecutables } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { callsOf } from './fuzz/calls.ts'
import { outcomeOf } from './fuzz/outcome.ts'
import { others, signatures } from './fuzz/signatures.ts'

const native = onnxruntime({ capacity: 4, threads: 1 })
const engines = [referenceEngine({ warn: () => undefined }), native]
afterAll(() => releaseExecutables(native))

describe('made-up calls', () => {
  it('are made of every op that there is', () => {
    const functions = Object.entries(ops).flatMap(([name, value]) =>
      typeof value === 'function' && !name.endsWith('Error') ? [name] : [],
    )
    expect([...Object.keys(signatures), ...others].sort()).toEqual(functions.sort())
  })

  it('are refused, or give what they promise', { timeout: 120_000 }, async () => {
    const wrong: string[] = []
    const kinds = new Set<string>()
    for (const op of Object.keys(signatures)) {
      for (const call of fc.sample(callsOf(op), { numRuns: 6, seed: 20_261 })) {
        const outcome = await outcomeOf(call, engines)
        kinds.add(outcome.kind)
        if (outcome.wrong !== undefined) wrong.push(outcome.wrong)
      }
    }
    expect(wrong).toEqual([])
    expect([...kinds]).toEqual(expect.arrayContaining(['result', 'shape when built', 'dtype when built']))
  })
})
