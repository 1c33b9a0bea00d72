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
  /** Calls `work`, which must be synchronous, with this backend as the current one of TensorFlow.js. */
  within<T>(work: () => T): T
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
  return { tf, name, within: (work) => withBackend(tf, name, work) }
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
