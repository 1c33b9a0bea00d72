/**
 * @file TensorFlow.js and the backend that computes. Backends register themselves when they are imported, which is left
 * to the program: a bundle then contains what it asks for, and nothing else.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import type * as Core from '@tensorflow/tfjs-core'

/** The module, as it comes from `import()`. */
export type Tf = typeof Core

export type BackendName = 'cpu' | 'wasm' | 'webgl' | 'webgpu'

/** A backend that is ready. */
export interface Backend {
  readonly tf: Tf
  readonly name: string
  /** Up to where integers are exact: 2³¹, or 2²⁴ where shaders compute them in floating point. */
  readonly integers: number
  /** Calls `work`, which must be synchronous, with this backend as the current one of TensorFlow.js. */
  within<T>(work: () => T): T
  /**
   * As `within`; besides, `refused` tells what the device refused of the work, which TensorFlow.js does not: a shader
   * that does not compile leaves whatever was in the memory of its result.
   */
  watched<T>(work: () => T): { readonly result: T; readonly refused: Promise<string | undefined> }
}

/** Of the webgpu backend, as much as is needed here; others have no device. */
interface DeviceBackend {
  readonly device?: {
    pushErrorScope(filter: 'validation' | 'out-of-memory'): void
    popErrorScope(): Promise<{ readonly message: string } | null>
  }
  /** Work that waits to be handed over. */
  readonly commandEncoder: object | null
  endComputePassEncoder(): void
  submitQueue(): void
}

const version = '4.22.0'
const preferred: readonly BackendName[] = ['wasm', 'webgpu', 'webgl', 'cpu']

/** Initialized once: TensorFlow.js would start a second time beside the first. */
const opened = /* @__PURE__ */ new Map<string, Promise<void>>()

/**
 * Loads TensorFlow.js and initializes a backend without making it the current one.
 *
 * @param load another loader may stand in for the import
 */
export async function openBackend(
  wanted: BackendName | undefined,
  load: () => Promise<Tf> = () => import('@tensorflow/tfjs-core'),
): Promise<Backend> {
  const tf = await load().catch((error: unknown) => {
    throw new BeyondgradError(
      'missing-engine',
      `@tensorflow/tfjs-core is not installed: npm i @tensorflow/tfjs-core@${version} @tensorflow/tfjs-backend-wasm@${version}`,
      { cause: error },
    )
  })
  const registered = tf.engine().backendNames()
  const name = wanted ?? preferred.find((candidate) => registered.includes(candidate)) ?? registered[0]
  if (name === undefined || !registered.includes(name)) throw unregistered(name ?? 'wasm')
  await (opened.get(name) ?? initialize(tf, name))
  return {
    tf,
    name,
    integers: name === 'webgl' || name === 'webgpu' ? 2 ** 24 : 2 ** 31,
    within: (work) => withBackend(tf, name, work),
    watched: (work) => withBackend(tf, name, () => watched(tf, work)),
  }
}

function watched<T>(tf: Tf, work: () => T): ReturnType<Backend['watched']> & { readonly result: T } {
  const backend = tf.backend() as unknown as DeviceBackend
  const { device } = backend
  if (device === undefined) return { result: work(), refused: Promise.resolve(undefined) }
  device.pushErrorScope('out-of-memory')
  device.pushErrorScope('validation')
  const close = async (): Promise<string | undefined> => {
    const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()])
    const error = errors.find((each) => each !== null)
    // What was refused spoils all that waits with it to be handed over, and would spoil the next run.
    if (error && backend.commandEncoder) {
      backend.endComputePassEncoder()
      backend.submitQueue()
    }
    return error?.message
  }
  try {
    const result = work()
    return { result, refused: close() }
  } catch (error) {
    // The error of the work is the one that counts.
    void close()
    throw error
  }
}

function unregistered(name: string): BeyondgradError {
  const module = `@tensorflow/tfjs-backend-${name}`
  return new BeyondgradError(
    'missing-engine',
    `TensorFlow.js has no backend "${name}" here: npm i ${module}@${version}, and import '${module}' before the first evaluation`,
  )
}

function initialize(tf: Tf, name: string): Promise<void> {
  const ready = (async () => {
    // Null while it is being initialized. `setBackend` would switch at once, under the feet of other runs.
    if (tf.findBackend(name) === null) await tf.ready()
    if (!tf.findBackend(name)) {
      throw new BeyondgradError(
        'engine',
        `the backend "${name}" of TensorFlow.js does not start here (its own warning says why): use another one, as in tfjs({ backend: 'cpu' })`,
      )
    }
    if (name === 'cpu') silence(tf)
  })()
  opened.set(name, ready)
  // A backend that did not start may do so another time.
  ready.catch(() => opened.delete(name))
  return ready
}

/** In Node the cpu backend advertises another package with its first tensor; "production" has it keep quiet. */
function silence(tf: Tf): void {
  const env = tf.env()
  const before = env.getBool('PROD')
  env.set('PROD', true)
  withBackend(tf, 'cpu', () => tf.scalar(0).dispose())
  env.set('PROD', before)
}

/** The program's own tensors stay with the backend that it chose. */
function withBackend<T>(tf: Tf, name: string, work: () => T): T {
  // Undefined until somebody chose one.
  const before = tf.getBackend() as string | undefined
  if (before === name) return work()
  void tf.setBackend(name)
  try {
    return work()
  } finally {
    if (before !== undefined && before !== null) void tf.setBackend(before)
  }
}
