/**
 * @file ONNX Runtime compiled to WebAssembly: for browsers, and for Node where there is no native binary. Threads and the
 * place of its files are settings of the whole page, and count when the first session is made.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import type * as OrtWeb from 'onnxruntime-web'
import { createSession, type Ort, unwrapped } from './ort.ts'
import { type Runtime, threadsFor } from './runtime.ts'

export type WebModule = typeof OrtWeb

/** Where the WebAssembly files are: a folder's address that ends with a slash, or each file's. */
export type WasmPaths = string | { readonly wasm?: string; readonly mjs?: string }

export interface WebOptions {
  readonly threads: number | undefined
  readonly wasmPaths: WasmPaths | undefined
  /** Whether a Web Worker computes; ONNX Runtime has one built in. */
  readonly worker: boolean
  /** Told once a page that WebGPU has limits; by default the console is. */
  readonly warn?: (message: string) => void
}

const limitsOfWebgpu =
  "beyondgrad: onnxruntime-web on WebGPU computes some convolutions wrongly and has no kernels for some ops; compare with referenceEngine(), or take executionProviders: ['wasm']"

/** Copies of onnxruntime-web, each with the end of its queue. */
const queues = /* @__PURE__ */ new WeakMap<object, Promise<unknown>>()

/**
 * One task at a time, whatever engines share the runtime: a run on a graphics card gives way in its middle, and another
 * one would never end.
 */
function alone<T>(runtime: object, task: () => Promise<T>): Promise<T> {
  const result = (queues.get(runtime) ?? Promise.resolve()).then(task)
  queues.set(
    runtime,
    result.catch(() => undefined),
  )
  return result
}

const warned = /* @__PURE__ */ new WeakSet()

export async function webRuntime(load: () => Promise<WebModule>, options: WebOptions): Promise<Runtime> {
  let loaded: WebModule
  try {
    loaded = unwrapped(await load())
  } catch (error) {
    throw missingWeb(error)
  }
  const threads = threadsHere()
  const { wasm } = loaded.env
  // Whoever set these for sessions of their own keeps them.
  wasm.numThreads ??= Math.min(options.threads ?? threads, threads)
  if (options.wasmPaths !== undefined) wasm.wasmPaths = options.wasmPaths
  if (options.worker) wasm.proxy = true
  const ort: Ort = loaded
  const { warn = (message: string) => console.warn(message) } = options
  return {
    threads: wasm.numThreads,
    executionProviders: ['wasm'],
    createSession: async (bytes, sessionOptions) => {
      if (sessionOptions.executionProviders.includes('webgpu') && !warned.has(loaded.env)) {
        warned.add(loaded.env)
        warn(limitsOfWebgpu)
      }
      try {
        const session = await alone(loaded.env, () => createSession(ort, bytes, sessionOptions))
        return {
          run: (feeds) => alone(loaded.env, () => session.run(feeds)),
          release: () => alone(loaded.env, () => session.release()),
        }
      } catch (error) {
        throw unavailable(error) ?? error
      }
    },
  }
}

export function missingWeb(error: unknown): BeyondgradError {
  const [line] = String(error instanceof Error ? error.message : error).split('\n')
  return new BeyondgradError(
    'missing-engine',
    `onnxruntime-web does not load (${line}): npm i onnxruntime-web`,
    { cause: error },
  )
}

/** A page shares memory among threads only when it is isolated from others; Node always does. */
function threadsHere(): number {
  const { crossOriginIsolated, navigator, process } = globalThis as {
    crossOriginIsolated?: boolean
    navigator?: { hardwareConcurrency?: number }
    process?: { versions?: { node?: string } }
  }
  if (process?.versions?.node === undefined && !crossOriginIsolated) return 1
  return threadsFor(navigator?.hardwareConcurrency ?? 2)
}

function unavailable(error: unknown): BeyondgradError | undefined {
  const message = error instanceof Error ? error.message : String(error)
  const [, reason] = /no available backend found\. ERR: (.*)/s.exec(message) ?? []
  if (reason === undefined) return undefined
  const [line] = reason.split('\n')
  const noAdapter = /\[webgpu\]/.test(reason) && !/fetch|\.wasm|\.mjs/.test(reason)
  return new BeyondgradError(
    'missing-engine',
    noAdapter
      ? `onnxruntime-web cannot use WebGPU here (${line}): take executionProviders: ['wasm']`
      : `onnxruntime-web does not find its WebAssembly files (${line}): serve them from its dist folder, and say where with onnxruntime({ wasmPaths: '/ort/' })`,
    { cause: error },
  )
}
