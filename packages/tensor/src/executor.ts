/** @file Keeps executables, least recently used out first, and runs requests on them. */
import type { HostArray } from './dtype.ts'
import type { Engine, Executable, RunOptions } from './engine.ts'
import { cancelled } from './errors.ts'
import { checkResults, graphOf, type Program, type Request, samePrograms, withoutData } from './program.ts'

interface Kept {
  readonly program: Program
  readonly executable: Promise<Executable>
  running: number
  evicted: boolean
  /** What the executable holds; 0 until it is compiled. */
  bytes: number
}

class ExecutableCache {
  readonly #kept = new Map<number, Kept[]>()
  /** In order of last use. */
  readonly #order = new Set<Kept>()
  /** A compiled function brings the same program object every time: no need to compare it. */
  readonly #known = new WeakMap<Program, Kept>()
  readonly #engine: Engine
  #bytes = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  find(program: Program): Kept {
    const bucket = this.#kept.get(program.hash) ?? []
    const known = this.#known.get(program)
    const found =
      known !== undefined && !known.evicted
        ? known
        : bucket.find((kept) => samePrograms(kept.program, program))
    if (found !== undefined) {
      this.#known.set(program, found)
      this.#order.delete(found)
      this.#order.add(found)
      return found
    }
    const executable = Promise.resolve().then(() => this.#engine.compile(graphOf(program)))
    const kept: Kept = { program: withoutData(program), executable, running: 0, evicted: false, bytes: 0 }
    // A graph that the engine refuses is not kept; the run that asked reports why.
    executable.then(
      ({ bytes = 0 }) => this.#weigh(kept, bytes),
      () => {
        kept.evicted = true
        this.#remove(kept)
      },
    )
    this.#kept.set(program.hash, [...bucket, kept])
    this.#known.set(program, kept)
    this.#order.add(kept)
    while (this.#order.size > this.#engine.capacity) {
      const [oldest] = this.#order
      void this.evict(oldest!)
    }
    return kept
  }

  /** Now that it is known what an executable holds, others may have to go; it stays itself, however big it is. */
  #weigh(kept: Kept, bytes: number): void {
    if (kept.evicted) return
    kept.bytes = bytes
    this.#bytes += bytes
    const { capacityBytes = Infinity } = this.#engine
    for (const other of this.#order) {
      if (this.#bytes <= capacityBytes) return
      if (other !== kept && other.bytes > 0) void this.evict(other)
    }
  }

  /** Waits for the disposal, unless a run is still going: then the run's end disposes. */
  async evict(kept: Kept): Promise<void> {
    this.#remove(kept)
    kept.evicted = true
    if (kept.running === 0) await release(kept)
  }

  #remove(kept: Kept): void {
    if (!this.#order.delete(kept)) return
    this.#bytes -= kept.bytes
    const rest = (this.#kept.get(kept.program.hash) ?? []).filter((other) => other !== kept)
    if (rest.length > 0) this.#kept.set(kept.program.hash, rest)
    else this.#kept.delete(kept.program.hash)
  }

  async clear(): Promise<void> {
    await Promise.all([...this.#order].map((kept) => this.evict(kept)))
  }
}

function release(kept: Kept): Promise<void> {
  return kept.executable.then((executable) => executable.dispose()).catch(() => undefined)
}

const caches = /* @__PURE__ */ new WeakMap<Engine, ExecutableCache>()

function cacheOf(engine: Engine): ExecutableCache {
  let cache = caches.get(engine)
  if (cache === undefined) caches.set(engine, (cache = new ExecutableCache(engine)))
  return cache
}

/** Runs a request with the given feeds; compiles its program first if that is new. */
export async function execute(
  engine: Engine,
  request: Request,
  feeds: readonly HostArray[],
  options: RunOptions = {},
): Promise<readonly HostArray[]> {
  throwIfCancelled(options.signal)
  const cache = cacheOf(engine)
  const kept = cache.find(request.program)
  kept.running++
  try {
    const executable = await unlessCancelled(kept.executable, options.signal)
    throwIfCancelled(options.signal)
    try {
      return checkResults(request, await executable.run(feeds, options))
    } finally {
      if (executable.lost === true && !kept.evicted) void cache.evict(kept)
    }
  } finally {
    kept.running--
    if (kept.evicted && kept.running === 0) void release(kept)
  }
}

/** Nobody who has given up waits for a graph to be prepared; it is kept for the next who asks. */
function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(cancelled('the evaluation was cancelled before it ran'))
    signal.addEventListener('abort', cancel, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel))
  })
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled('the evaluation was cancelled before it ran')
}

/** Disposes every executable that is kept for an engine; they are compiled anew when needed. */
export function releaseExecutables(engine: Engine): Promise<void> {
  return caches.get(engine)?.clear() ?? Promise.resolve()
}
