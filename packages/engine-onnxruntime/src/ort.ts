/** @file The interface that all packages of ONNX Runtime for JavaScript share, seen as a `Runtime`'s sessions. */
import type { HostArray } from '@beyondgrad/tensor'
import type { InferenceSession, Tensor } from 'onnxruntime-web'
import type { Feed, Session, SessionOptions } from './runtime.ts'

/** What is used of a package, `onnxruntime-node` and `onnxruntime-web` alike. */
export interface Ort {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>
  }
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => Tensor
}

/** Packages are CommonJS in part: what `import()` gives may be a wrapping. */
export function unwrapped<M extends object>(loaded: M & { readonly default?: M }): M {
  return loaded.default ?? loaded
}

export async function createSession(ort: Ort, bytes: Uint8Array, options: SessionOptions): Promise<Session> {
  const session = await ort.InferenceSession.create(bytes, sessionOptions(options))
  return {
    run: async (feeds) => {
      const tensors = Object.entries(feeds).map(([name, feed]) => [name, tensorOf(ort, feed)] as const)
      const results = await session.run(Object.fromEntries(tensors))
      const arrays: Record<string, HostArray> = {}
      for (const [name, tensor] of Object.entries(results)) arrays[name] = tensor.data as HostArray
      return arrays
    },
    release: () => session.release(),
  }
}

export function sessionOptions(options: SessionOptions): InferenceSession.SessionOptions {
  // Two objects: the web runtime takes one that it meets twice for a circle.
  const spinning = (): { allow_spinning: string } => ({ allow_spinning: options.spin ? '1' : '0' })
  return {
    executionProviders: options.executionProviders,
    executionMode: 'sequential',
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    // A pattern is one more block of all memory, beside that of the first run; without it runs are as fast.
    enableMemPattern: false,
    graphOptimizationLevel: options.optimization,
    // What fails is thrown; nothing is printed besides.
    logSeverityLevel: 4,
    extra: { session: { intra_op: spinning(), inter_op: spinning() } },
  }
}

/** A view of the array, not a copy. */
function tensorOf(ort: Ort, { dtype, shape, data }: Feed): Tensor {
  return new ort.Tensor(dtype as never, data as never, shape)
}
