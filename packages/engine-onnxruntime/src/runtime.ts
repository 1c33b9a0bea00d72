/** @file What the engine needs of ONNX Runtime, which has one JavaScript interface and several packages. */
import type { DType, HostArray } from '@beyondgrad/tensor'

export interface Feed {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: HostArray
}

/** A model that is ready to run. */
export interface Session {
  /** Rejects at once when the signal comes, if anything can come while it runs. */
  run(
    feeds: Readonly<Record<string, Feed>>,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, HostArray>>>
  /** True when it can't run any more, since what held it is gone. */
  readonly lost?: boolean
  release(): Promise<void>
}

/** How much of its own rewriting ONNX Runtime does to a model. */
export type Optimization = 'disabled' | 'basic' | 'extended' | 'all'

export interface SessionOptions {
  readonly threads: number
  readonly spin: boolean
  readonly optimization: Optimization
  readonly executionProviders: readonly string[]
}

export interface Runtime {
  /** Threads that suit this machine. */
  readonly threads: number
  /** Execution providers, where none are asked for. */
  readonly executionProviders: readonly string[]
  createSession(bytes: Uint8Array, options: SessionOptions): Promise<Session>
}

/** Finds a runtime when the first graph is compiled. */
export type LoadRuntime = () => Promise<Runtime>

/** Above four, logical processors are mostly two to a core, and a second thread on a core slows products down. */
export function threadsFor(processors: number): number {
  return processors <= 4 ? processors : Math.ceil(processors / 2)
}
