/** @file Damaged files, some hundreds of those that bench/mutations.ts makes by the thousand: each is read, or refused with a reason. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { outcomeOf } from './hostile-run.ts'
import { mutated, mutationNames } from './mutate.ts'

const fixtures = new URL('../../../fixtures/', import.meta.url)
const files = readdirSync(fixtures, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('model.onnx'))
  .sort()
  .map((path) => new Uint8Array(readFileSync(new URL(path, fixtures))))
  .filter(({ length }) => length > 0)

describe('damaged files', () => {
  it('are read or refused', { timeout: 60_000 }, async () => {
    const kinds = new Set<string>()
    const outcomes = new Map<string, number>()
    for (let seed = 0; seed < 600; seed++) {
      const { kind, bytes } = mutated(files, seed)
      kinds.add(kind)
      const outcome = await outcomeOf(bytes).catch((error: unknown) => {
        throw new Error(`seed ${seed} (${kind}) is no error of ours`, { cause: error })
      })
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    expect([...kinds].sort()).toEqual([...mutationNames].sort())
    // Damage that nothing notices, and damage that is noticed in every part of an import.
    for (const outcome of [
      'ran',
      'import refused: file',
      'import refused: graph',
      'import refused: tensor',
      'call refused: data',
    ]) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(5)
    }
  })
})
