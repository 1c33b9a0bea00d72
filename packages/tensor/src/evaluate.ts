/** @file Evaluation: one execution for everything that is asked for. */
import type { DType, HostArray, NDArray } from './dtype.ts'
import { type Engine, engineFor } from './engine.ts'
import { cancelled } from './errors.ts'
import { execute } from './executor.ts'
import { tensor } from './leaf.ts'
import type { AnyTensor, Tensor } from './node.ts'
import { feedsOf, type Request, requestOf } from './program.ts'
import { type Evaluated, type Structure, structureOf } from './structure.ts'
import { throwIfTracing } from './tracing.ts'
import { commit, inTurn, writesOf } from './updates.ts'

export interface EvaluateOptions {
  /** Default: the current engine. */
  readonly engine?: Engine | undefined
  /** Cancels the evaluation, which then rejects with code `cancelled` and has changed nothing. */
  readonly signal?: AbortSignal | undefined
  /** The step that random leaves are drawn for. Default: 0. */
  readonly step?: number | undefined
}

/** Tensors that a structure asks for, results first, then the values of its writes. */
export function requestedTensors(structure: Structure): AnyTensor[] {
  return [
    ...structure.tensors,
    ...structure.updates.flatMap(({ writes }) => writes.map(([, value]) => value)),
  ]
}

/** Runs a request; does the structure's writes afterwards, in turn with other writing runs. */
export function runStructure(
  structure: Structure,
  request: Request,
  engine: Engine,
  feeds: () => readonly HostArray[],
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const writes = writesOf(structure.updates)
  const run = async (): Promise<unknown> => {
    const results = await execute(engine, request, feeds(), { signal })
    // An engine may not have been able to stop. What it wanted to write is dropped then, all of it.
    if (writes.length > 0 && signal?.aborted) throw cancelled()
    commit(writes, results.slice(structure.tensors.length))
    return structure.fill(results)
  }
  if (writes.length === 0) return run()
  return inTurn(
    writes.map(([cell]) => cell),
    run,
    signal,
  )
}

/**
 * Computes all tensors inside `what` – a tensor, or any nesting of objects, arrays and named maps – in one execution
 * and returns the same structure with values.
 *
 * Parameters mean what they were when the expression was built; if one has been updated since, this throws
 * `StaleParameterError`.
 */
export function evaluate<const T extends object>(
  what: T,
  options: EvaluateOptions = {},
): Promise<Evaluated<T>> {
  // Thrown, not rejected: nobody waits for a promise in a function that builds a graph.
  throwIfTracing('evaluate')
  return evaluateNow(what, options)
}

async function evaluateNow<const T extends object>(what: T, options: EvaluateOptions): Promise<Evaluated<T>> {
  const engine = engineFor('evaluate', options.engine)
  const structure = structureOf(what)
  const request = requestOf(requestedTensors(structure))
  const binding = { live: false, step: options.step ?? 0 }
  // All cells are read here, before the first await, so that the results belong to one moment. A writing run that
  // has to wait for its turn reads again, and finds out if it has become stale.
  const now = feedsOf(request, binding, engine)
  const feeds = (): readonly HostArray[] =>
    structure.updates.length > 0 ? feedsOf(request, binding, engine) : now
  return (await runStructure(structure, request, engine, feeds, options.signal)) as Evaluated<T>
}

/** Reads one tensor with the current engine. */
export function readOne<D extends DType>(x: Tensor<D>, what = 'read'): Promise<NDArray<D>> {
  throwIfTracing(what)
  return evaluate({ value: x }).then(({ value }) => value)
}

/** Turns a value into a leaf: computed once, and from then on just data. */
export function hold<D extends DType>(x: Tensor<D>, options?: EvaluateOptions): Promise<Tensor<D>> {
  throwIfTracing('hold')
  return evaluate({ value: x }, options).then(({ value }) => tensor(value))
}
