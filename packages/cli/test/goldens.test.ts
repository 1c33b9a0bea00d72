/** @file All reference values through the command line; `npm run goldens:command` has the table for every engine. */
import { describe, expect, it } from 'vitest'
import { compareThroughCommand, goldenFolders, toleranceOf } from './golden-commands.ts'

describe('quantities on the command line equal the reference values', () => {
  it.each(goldenFolders())('$name', async ({ name, folder }) => {
    for (const [engine, rtol] of [
      ['reference', toleranceOf(name, 1e-8)],
      ['onnxruntime', 1e-4],
    ] as const) {
      const deviations = await compareThroughCommand(folder, engine, rtol)
      expect(deviations.length).toBeGreaterThan(10)
      expect(deviations.filter(({ worst }) => !(worst < 1))).toEqual([])
    }
  })

  it('are there', () => {
    expect(goldenFolders().length).toBeGreaterThanOrEqual(63)
  })
})
