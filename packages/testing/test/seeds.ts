/**
 * @file How property tests choose their cases. The seed is fixed, so that a run says the same tomorrow; SEED=… in the
 * environment tries others.
 */
import fc from 'fast-check'

export const runs = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  seed: Number(process.env.SEED ?? 20_261),
})

/** A random graph: with fewer steps it is the beginning of the same one, so that a failure shrinks. */
export const graphs: fc.Arbitrary<{ readonly seed: number; readonly steps: number }> = fc.record({
  seed: fc.nat(1e6),
  steps: fc.integer({ min: 1, max: 7 }),
})
