/** @file Compiled functions: traced once per input signature, then run without building any graph. */
import type { DType, HostArray, NDArray } from './dtype.ts'
import { type Engine, engineFor } from './engine.ts'
import { BeyondgradError, ShapeError } from './errors.ts'
import { requestedTensors, runStructure } from './evaluate.ts'
import { hostData, placeholder } from './leaf.ts'
import { type AnyTensor, isTensor, type Tensor } from './node.ts'
import { feedsOf, type Request, requestOf } from './program.ts'
import { formatShape, sizeOf } from './shape.ts'
import { type Evaluated, type Structure, structureOf } from './structure.ts'
import { throwIfTracing, traced } from './tracing.ts'

/** A compiled function takes tensors that hold data, or arrays, where the original took tensors. */
export type Arguments<A extends readonly unknown[]> = {
  readonly [K in keyof A]: A[K] extends Tensor<infer D> ? Tensor<D> | NDArray<D> : A[K]
}

export interface CompileOptions {
  /** Default: the engine that is current when the function runs. */
  readonly engine?: Engine | undefined
  /** Asked at every call for the step that random leaves are drawn for. Default: always 0. */
  readonly step?: (() => number) | undefined
  /**
   * Asked at every call for the number of its first sample among all of the data, so that random leaves draw the same for a sample
   * whatever batch it is in. Default: always 0.
   */
  readonly first?: (() => number) | undefined
}

/** What one call of a compiled function can be told. */
export interface CallOptions {
  /** Cancels the call, which then rejects with code `cancelled` and has changed nothing. */
  readonly signal?: AbortSignal | undefined
}

/** What `compile` returns: the function itself, `with` and `dispose`. */
export interface Compiled<A extends readonly AnyTensor[], R> {
  (...inputs: Arguments<A>): Promise<Evaluated<R>>
  /** The same function, with options for its calls: `run.with({ signal })(x)`. */
  with(options: CallOptions): (...inputs: Arguments<A>) => Promise<Evaluated<R>>
  /** Forgets all traces. */
  dispose(): Promise<void>
}

interface Trace {
  readonly placeholders: readonly AnyTensor[]
  readonly structure: Structure
  readonly request: Request
}

/** More input signatures than this and the oldest trace is forgotten. */
const traceLimit = 64

/**
 * Traces `fn` once for each signature (shapes and dtypes) of its inputs; after that a call builds no graph at all.
 * Parameters are read as they are at the call. `Updates` in the result are committed when the run has succeeded.
 */
export function compile<A extends readonly AnyTensor[], R extends object>(
  fn: (...inputs: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  const traces = new Map<string, Trace>()
  let disposed = false

  const call = async (inputs: Arguments<A>, { signal }: CallOptions): Promise<Evaluated<R>> => {
    throwIfTracing('a compiled function')
    if (disposed)
      throw new BeyondgradError('engine', 'this compiled function has been disposed; compile it again')
    const values = inputs.map((input, i) => argument(input, i))
    const key = values.map(({ shape, dtype }) => `${dtype}[${shape.join()}]`).join(' ')
    let trace = traces.get(key)
    if (trace === undefined) {
      trace = traceOf(fn, values)
      traces.set(key, trace)
      if (traces.size > traceLimit) traces.delete(traces.keys().next().value!)
    }
    const { placeholders, structure, request } = trace
    const bound = new Map(placeholders.map((input, i) => [input, values[i]!.data]))
    const engine = engineFor('compile', options.engine)
    // Asked now: a run that has to wait for its turn keeps the step that it was called for.
    const [step, first] = [options.step?.() ?? 0, options.first?.() ?? 0]
    const feeds = (): readonly HostArray[] =>
      feedsOf(request, { arguments: bound, live: true, step, first }, engine)
    return (await runStructure(structure, request, engine, feeds, signal)) as Evaluated<R>
  }
  const dispose = (): Promise<void> => {
    disposed = true
    traces.clear()
    return Promise.resolve()
  }
  const calling =
    (callOptions: CallOptions) =>
    (...inputs: Arguments<A>): Promise<Evaluated<R>> =>
      call(inputs, callOptions)
  return Object.assign(calling({}), { with: calling, dispose })
}

function argument(input: unknown, position: number): NDArray<DType> {
  if (isTensor(input)) {
    const data = hostData(input)
    if (data === undefined) {
      throw new BeyondgradError(
        'value',
        `argument ${position} of a compiled function is an expression (${input.op.name}); pass data, or compute it first with hold()`,
      )
    }
    return { shape: input.shape, dtype: input.dtype, data }
  }
  const array = input as NDArray<DType>
  if (typeof array !== 'object' || array === null || !ArrayBuffer.isView(array.data)) {
    throw new BeyondgradError(
      'value',
      `argument ${position} of a compiled function is neither a tensor nor an NDArray`,
    )
  }
  if (array.data.length !== sizeOf(array.shape)) {
    throw new ShapeError(
      'compile',
      `argument ${position} has ${array.data.length} elements, which is not its shape ${formatShape(array.shape)}`,
    )
  }
  return array
}

function traceOf(fn: (...inputs: never) => object, values: readonly NDArray<DType>[]): Trace {
  const placeholders = values.map(({ shape, dtype }, i) => placeholder(shape, dtype, `argument ${i}`))
  const result = traced(() => fn(...(placeholders as never)))
  if (result instanceof Promise) {
    // What it fails with is nobody's to catch, and would end the process.
    result.catch(() => undefined)
    throw new BeyondgradError(
      'tracing',
      'compile: the function must build its result synchronously, not return a promise',
    )
  }
  const structure = structureOf(result)
  return { placeholders, structure, request: requestOf(requestedTensors(structure)) }
}
