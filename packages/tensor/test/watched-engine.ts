/** @file The reference engine with a window in it: what was compiled, run and disposed; runs can be held up or fail. */
import { type Engine, type Graph, referenceEngine } from '../src/index.ts'

export interface WatchedEngine extends Engine {
  readonly graphs: readonly Graph[]
  readonly runs: number
  /** Numbers of the graphs whose executables were disposed, in order. */
  readonly disposed: readonly number[]
  /** Every run waits for what this returns; a rejection fails it. */
  before: (run: number) => Promise<void> | undefined
}

export interface WatchedOptions {
  readonly capacity?: number
  readonly capacityBytes?: number
  /** What each executable claims to hold. */
  readonly bytes?: (graph: Graph) => number
}

export function watchedEngine(options: WatchedOptions = {}): WatchedEngine {
  const engine = referenceEngine()
  const graphs: Graph[] = []
  const disposed: number[] = []
  let runs = 0
  const watched: WatchedEngine = {
    ...engine,
    name: 'watched',
    capacity: options.capacity ?? engine.capacity,
    ...(options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes }),
    graphs,
    disposed,
    get runs(): number {
      return runs
    },
    before: () => undefined,
    compile: async (graph) => {
      const number = graphs.push(graph) - 1
      const executable = await engine.compile(graph)
      let gone = false
      return {
        ...(options.bytes === undefined ? {} : { bytes: options.bytes(graph) }),
        run: async (feeds, runOptions) => {
          if (gone) throw new Error(`executable ${number} is disposed`)
          const turn = runs++
          await watched.before(turn)
          if (gone) throw new Error(`executable ${number} was disposed while it ran`)
          return executable.run(feeds, runOptions)
        },
        dispose: () => {
          gone = true
          disposed.push(number)
          return executable.dispose()
        },
      }
    },
  }
  return watched
}

/** A promise with its handles. */
export function later(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
