/**
 * @file ONNX Runtime in a thread of its own, so that timers, servers and progress bars go on while a graph is prepared or
 * runs. The thread starts with the first session and ends with the last; while it has nothing to do, it keeps no process alive.
 */
import { BeyondgradError, cancelled, type HostArray } from '@beyondgrad/tensor'
import type { Worker } from 'node:worker_threads'
import { sessionOptions } from './ort.ts'
import type { Runtime, Session } from './runtime.ts'
import { workerProgram } from './worker-program.ts'

export interface WorkerOptions {
  readonly package: 'onnxruntime-node' | 'onnxruntime-web'
  /** Threads that suit this machine. */
  readonly threads: number
  readonly executionProviders: readonly string[]
  /** What to throw where the package does not load. */
  readonly missing: (error: unknown) => BeyondgradError
}

type Request =
  | { readonly op: 'load' }
  | { readonly op: 'create'; readonly bytes: Uint8Array; readonly options: object }
  | { readonly op: 'run'; readonly session: number; readonly feeds: object }
  | { readonly op: 'release'; readonly session: number }

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A running thread and what it owes. */
class Thread {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #next = 0
  /** Sessions that it holds or is making. */
  sessions = 0
  gone = false

  constructor(worker: Worker, busy: Int32Array) {
    this.#worker = worker
    // A native run whose thread is ended takes the process down with an error: leaving waits until it is over.
    const beforeExit = (): void => void Atomics.wait(busy, 0, 1)
    process.once('exit', beforeExit)
    worker.once('exit', () => process.off('exit', beforeExit))
    worker.unref()
    worker.on('message', ({ id, value, error }: Answer) => {
      const asked = this.#pending.get(id)
      this.#settle(id)
      if (error === undefined) asked?.resolve(value)
      else asked?.reject(new Error(error))
    })
    let reason = 'it exited'
    worker.on('error', (error) => (reason = String(error instanceof Error ? error.message : error)))
    worker.on('exit', () => this.#lose(reason))
  }

  ask(request: Request, signal?: AbortSignal): Promise<unknown> {
    if (this.gone) return Promise.reject(lost('it is gone'))
    const id = this.#next++
    return new Promise((resolve, reject) => {
      const cancel = (): void => reject(cancelled())
      signal?.addEventListener('abort', cancel, { once: true })
      const settled =
        (settle: (value: unknown) => void) =>
        (value: unknown): void => {
          signal?.removeEventListener('abort', cancel)
          settle(value)
        }
      this.#pending.set(id, { resolve: settled(resolve), reject: settled(reject) })
      if (this.#pending.size === 1) this.#worker.ref()
      this.#worker.postMessage({ ...request, id })
    })
  }

  async end(): Promise<void> {
    this.gone = true
    await this.#worker.terminate()
  }

  #settle(id: number): void {
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#worker.unref()
  }

  #lose(reason: string): void {
    this.gone = true
    for (const { reject } of this.#pending.values()) reject(lost(reason))
    this.#pending.clear()
  }
}

const lost = (reason: string): BeyondgradError =>
  new BeyondgradError(
    'engine',
    `onnxruntime: the worker thread ended before its work was done (${reason.split('\n')[0]}); the next evaluation starts another one`,
  )

export async function workerRuntime(options: WorkerOptions): Promise<Runtime> {
  const [threads, modules] = await Promise.all([import('node:worker_threads'), import('node:module')])
  let current: Promise<Thread> | undefined

  const start = async (): Promise<Thread> => {
    let path: string
    try {
      path = modules.createRequire(import.meta.url).resolve(options.package)
    } catch (error) {
      throw options.missing(error)
    }
    const web = options.package === 'onnxruntime-web'
    const busy = new SharedArrayBuffer(4)
    const workerData = { path, busy, ...(web ? { threads: options.threads } : {}) }
    // What the process was started with may not suit a program that is text.
    const worker = new threads.Worker(workerProgram, { eval: true, workerData, execArgv: [] })
    const thread = new Thread(worker, new Int32Array(busy))
    try {
      await thread.ask({ op: 'load' })
    } catch (error) {
      void thread.end()
      throw options.missing(error)
    }
    return thread
  }

  const running = async (): Promise<Thread> => {
    const known = current
    const thread = await (current ??= start())
    if (!thread.gone) return thread
    // Somebody else may have noticed, too.
    if (current === known || current === undefined) current = start()
    return current
  }

  const releaseFrom = async (thread: Thread): Promise<void> => {
    if (--thread.sessions > 0 || thread.gone) return
    current = undefined
    await thread.end()
  }

  return {
    threads: options.threads,
    executionProviders: options.executionProviders,
    createSession: async (bytes, given): Promise<Session> => {
      const thread = await running().catch((error: unknown) => {
        current = undefined
        throw error
      })
      thread.sessions++
      let session: number
      try {
        session = (await thread.ask({ op: 'create', bytes, options: sessionOptions(given) })) as number
      } catch (error) {
        await releaseFrom(thread)
        throw error
      }
      return {
        get lost(): boolean {
          return thread.gone
        },
        run: async (feeds, signal) =>
          (await thread.ask({ op: 'run', session, feeds }, signal)) as Readonly<Record<string, HostArray>>,
        release: async () => {
          if (!thread.gone) await thread.ask({ op: 'release', session })
          await releaseFrom(thread)
        },
      }
    },
  }
}
