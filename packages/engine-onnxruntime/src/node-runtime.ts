/** @file ONNX Runtime in Node. Nothing is loaded before it is asked for: the package is an optional peer. */
import { BeyondgradError, type HostArray } from '@beyondgrad/tensor'
import type * as Ort from 'onnxruntime-node'
import type { Feed, Runtime, SessionOptions } from './runtime.ts'

type Module = typeof Ort

/** Loads `onnxruntime-node`; another loader may stand in for it. */
export async function nodeRuntime(
  load: () => Promise<Module> = () => import('onnxruntime-node'),
): Promise<Runtime> {
  let loaded: Module & { readonly default?: Module }
  try {
    loaded = await load()
  } catch (error) {
    throw missing(error)
  }
  const ort = loaded.default ?? loaded
  return {
    threads: await threadsHere(),
    createSession: async (bytes, options) => {
      const session = await ort.InferenceSession.create(bytes, sessionOptions(options))
      return {
        run: async (feeds) => {
          const tensors = Object.entries(feeds).map(([name, feed]) => [name, tensorOf(ort, feed)] as const)
          const results = await session.run(Object.fromEntries(tensors))
          return Object.fromEntries(
            Object.entries(results).map(([name, { data }]) => [name, data as HostArray]),
          )
        },
        release: () => session.release(),
      }
    },
  }
}

function sessionOptions(options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const spinning = { allow_spinning: options.spin ? '1' : '0' }
  return {
    executionProviders: options.executionProviders,
    executionMode: 'sequential',
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: options.optimization,
    // What fails is thrown; nothing is printed besides.
    logSeverityLevel: 4,
    extra: { session: { intra_op: spinning, inter_op: spinning } },
  }
}

/** A view of the array, not a copy. */
function tensorOf(ort: Module, { dtype, shape, data }: Feed): Ort.Tensor {
  // The constructor is overloaded by the name of the type.
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape)
}

/** Above four, logical processors are mostly two to a core, and a second thread on a core slows products down. */
async function threadsHere(): Promise<number> {
  const { availableParallelism } = await import('node:os')
  const processors = availableParallelism()
  return processors <= 4 ? processors : Math.ceil(processors / 2)
}

function missing(error: unknown): BeyondgradError {
  const message = error instanceof Error ? error.message : String(error)
  // A package that is there but has no binary for this platform misses a file of its own instead.
  const absent = /cannot find (module|package) 'onnxruntime-node'/i.test(message)
  const [line] = message.split('\n')
  return new BeyondgradError(
    'missing-engine',
    absent
      ? 'onnxruntime-node is not installed: npm i onnxruntime-node'
      : `onnxruntime-node does not load on ${platform()} (${line}): reinstall it with npm i onnxruntime-node, or use another engine, since it has no binary for musl or Intel Macs`,
    { cause: error },
  )
}

function platform(): string {
  const { process } = globalThis as { process?: { platform?: string; arch?: string } }
  return `${process?.platform ?? 'this platform'} ${process?.arch ?? ''}`.trim()
}
