/** @file The reference engine with a window in it, for tests of who compiles and runs how often, and what becomes of a failure. */
import { type Engine, referenceEngine } from '@beyondgrad/tensor'

export interface WatchedEngine extends Engine {
  /** Graphs compiled so far. */
  readonly compiled: number
  readonly runs: number
  /** Makes the next run fail. */
  failNext(): void
  /** Calls this when the next run is done, before anybody gets its results. */
  onceRun(then: () => void): void
}

/** A reference engine that counts what it compiles and runs, and fails or calls back on request. */
export function watchedEngine(): WatchedEngine {
  const engine = referenceEngine()
  let [compiled, runs, failing] = [0, 0, false]
  let afterRun: (() => void) | undefined
  return {
    ...engine,
    get compiled(): number {
      return compiled
    },
    get runs(): number {
      return runs
    },
    failNext: () => {
      failing = true
    },
    onceRun: (then) => {
      afterRun = then
    },
    compile: async (graph) => {
      compiled++
      const executable = await engine.compile(graph)
      return {
        ...executable,
        run: async (feeds, options) => {
          runs++
          if (failing) {
            failing = false
            throw new Error('out of order')
          }
          const results = await executable.run(feeds, options)
          afterRun?.()
          afterRun = undefined
          return results
        },
      }
    },
  }
}
