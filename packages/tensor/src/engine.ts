/** @file What an engine is, and which one is current. */
import type { HostArray } from './dtype.ts'
import { BeyondgradError } from './errors.ts'
import { type AnyTensor, protocol } from './node.ts'
import { referenceEngine } from './reference.ts'
import { shared } from './shared.ts'

/** A graph of primitives, ready for an engine; its inputs are placeholders. */
export interface Graph {
  readonly inputs: readonly AnyTensor[]
  readonly outputs: readonly AnyTensor[]
}

export interface RunOptions {
  /** Stops the run where the engine can stop. */
  readonly signal?: AbortSignal | undefined
}

/** A graph that an engine has made ready to run, any number of times. */
export interface Executable {
  /** Takes one array for each input of the graph, which it may not change, and gives one for each output. */
  run(feeds: readonly HostArray[], options?: RunOptions): Promise<readonly HostArray[]>
  dispose(): Promise<void>
  /** True when it can't run any more, as when the process that held it has died: it is compiled anew then. */
  readonly lost?: boolean
  /** What it holds between runs, in bytes, as well as the engine can tell. Default: nothing worth counting. */
  readonly bytes?: number
}

/** Runs graphs. */
export interface Engine {
  readonly name: string
  readonly protocol: 1
  /** What `float32` is computed in. */
  readonly float: 'float32' | 'float64'
  /** How many executables are kept for later; the least recently used are disposed. */
  readonly capacity: number
  /** How many bytes the kept executables may hold together; the least recently used go first. Default: any number. */
  readonly capacityBytes?: number
  compile(graph: Graph): Promise<Executable>
}

/** Makes an engine the current one; without one, the reference engine is used. Throws `engine` for anything else. */
export function setEngine(engine: Engine | undefined): void {
  if (engine !== undefined) checkEngine('setEngine', engine, 'setEngine(onnxruntime())')
  const state = shared()
  if (engine === undefined) delete state.engine
  else state.engine = engine
}

/** The engine that runs what names no other. */
export function currentEngine(): Engine {
  return (shared().engine ??= referenceEngine())
}

/** The engine that the options of `what` name, else the current one. Throws `engine` for what is none. */
export function engineFor(what: string, engine: Engine | undefined): Engine {
  if (engine === undefined) return currentEngine()
  checkEngine(what, engine, '{ engine: onnxruntime() }')
  return engine
}

function checkEngine(what: string, engine: Engine, example: string): void {
  const found = (engine as Partial<Engine> | null)?.protocol
  if (found === protocol && typeof engine.compile === 'function') return
  throw new BeyondgradError(
    'engine',
    `${what}: expected an engine of protocol ${protocol}, got ${found === undefined ? typeof engine : `protocol ${String(found)}`}; call its factory, as in ${example}`,
  )
}
