/** @file The engine: a whole graph is one ONNX model, and a run of it one native run. */
import { toOnnx } from '@beyondgrad/onnx'
import {
  BeyondgradError,
  type Engine,
  type Executable,
  type Graph,
  type HostArray,
  liveBytes,
  topologicalOrder,
  workOf,
} from '@beyondgrad/tensor'
import type { OnnxRuntimeOptions } from './options.ts'
import type { Feed, LoadRuntime, Optimization, Runtime, Session } from './runtime.ts'

/**
 * Below this many multiplications, some 0.3 ms of one thread, a second thread costs as much as it gives: waking it
 * takes 10 µs an operator.
 */
const smallWork = 3e7

/** The engine on whatever runtime `load` finds; it is loaded once, when the first graph is compiled. */
export function engineOn(load: LoadRuntime, options: OnnxRuntimeOptions): Engine {
  const { capacity = 24, capacityBytes = 2 ** 30, spin = false, optimization = 'extended' } = options
  checkCount('threads', options.threads)
  checkCount('capacity', capacity)
  checkCount('capacityBytes', capacityBytes)
  let loading: Promise<Runtime> | undefined
  return {
    name: 'onnxruntime',
    protocol: 1,
    float: 'float32',
    capacity,
    capacityBytes,
    compile: async (graph) => {
      // A runtime that did not load may have been installed since.
      const runtime = await (loading ??= load().catch((error: unknown) => {
        loading = undefined
        throw error
      }))
      if (graph.outputs.length === 0) return nothing
      const threads = workOf(graph) < smallWork ? 1 : (options.threads ?? runtime.threads)
      // Other providers have kernels for the standard operators at most.
      const executionProviders = options.executionProviders ?? runtime.executionProviders
      const contrib = executionProviders.every((provider) => ['cpu', 'wasm'].includes(provider))
      // What is asked for twice is computed, and handed over, once.
      const distinct = [...new Set(graph.outputs)]
      const { bytes, inputs, outputs } = toOnnx({ ...graph, outputs: distinct }, { contrib })
      const names = graph.outputs.map((output) => outputs[distinct.indexOf(output)]!)
      const session = await runtime
        .createSession(bytes, {
          threads,
          spin,
          optimization: isDouble(graph) ? cautious(optimization) : optimization,
          executionProviders,
        })
        .catch((error: unknown) => {
          throw refused('cannot prepare a graph', error)
        })
      return executable(graph, session, inputs, names, bytes.length + liveBytes(graph))
    },
  }
}

/** ONNX Runtime fuses operators of double precision, too, into some for which it has no kernel (x · sigmoid(x)). */
function isDouble({ outputs }: Graph): boolean {
  return topologicalOrder(outputs).some(({ dtype }) => dtype === 'float64')
}

const cautious = (wanted: Optimization): Optimization => (wanted === 'disabled' ? wanted : 'basic')

/** Of a graph without outputs. */
const nothing: Executable = { run: () => Promise.resolve([]), dispose: () => Promise.resolve() }

function executable(
  graph: Graph,
  session: Session,
  inputs: readonly string[],
  outputs: readonly string[],
  bytes: number,
): Executable {
  const running = new Set<Promise<unknown>>()
  let disposed: Promise<void> | undefined
  const run = async (
    feeds: readonly HostArray[],
    signal: AbortSignal | undefined,
  ): Promise<readonly HostArray[]> => {
    const named: Record<string, Feed> = {}
    graph.inputs.forEach(({ dtype, shape }, i) => (named[inputs[i]!] = { dtype, shape, data: feeds[i]! }))
    let results: Readonly<Record<string, HostArray>>
    try {
      results = await session.run(named, signal)
    } catch (error) {
      throw refused('cannot run a graph', error)
    }
    // Whoever gets a result may write into it: the same one twice is two.
    return outputs.map((name, i) => (outputs.indexOf(name) < i ? results[name]!.slice() : results[name]!))
  }
  return {
    bytes,
    get lost(): boolean {
      return session.lost ?? false
    },
    run: async (feeds, runOptions) => {
      if (runOptions?.signal?.aborted) {
        throw new BeyondgradError('cancelled', 'the evaluation was cancelled before it ran')
      }
      if (disposed !== undefined) {
        throw new BeyondgradError(
          'engine',
          'onnxruntime: this executable is disposed; compile the graph again',
        )
      }
      const result = run(feeds, runOptions?.signal)
      running.add(result)
      return result.finally(() => running.delete(result))
    },
    dispose: () => (disposed ??= Promise.allSettled(running).then(() => session.release())),
  }
}

/** ONNX Runtime's errors are long: the sentence that says what is wrong is kept, the rest is in `cause`. */
function refused(what: string, error: unknown): BeyondgradError {
  if (error instanceof Error && 'code' in error && error.name === 'BeyondgradError') {
    return error as BeyondgradError
  }
  const message = error instanceof Error ? error.message : String(error)
  const [line] = message.replace(/^.*?(?=Non-zero status|NOT_IMPLEMENTED|Fail)/s, '').split('\n')
  const missing = /NOT_IMPLEMENTED|Could not find an implementation|Unsupported pooling size/.test(message)
  return new BeyondgradError(
    missing ? 'unsupported' : 'engine',
    `onnxruntime ${what}: ${line}${adviceOn(message)}`,
    {
      cause: error,
    },
  )
}

/** What to do, where the message tells. */
function adviceOn(message: string): string {
  if (/NOT_IMPLEMENTED|Could not find an implementation/.test(message)) {
    return '; cast to float32 where a kernel for this element type is missing, or use another engine'
  }
  if (/Unsupported pooling size/.test(message)) return ' (pools have at most three spatial axes here)'
  if (/allocat|bad_alloc|out of memory/i.test(message)) {
    return '; take a smaller batch, or give second-order columns less memory (backward’s option memory)'
  }
  if (/provider/i.test(message)) return '; check the option executionProviders'
  return ''
}

function checkCount(what: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
    throw new BeyondgradError('value', `onnxruntime: ${what} ${value} is not a positive integer`)
  }
}
