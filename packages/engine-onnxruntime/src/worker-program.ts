/**
 * @file What runs in the worker thread. It is text, so that it needs no file of its own beside a bundle; it holds sessions
 * by number and does one request after the other.
 */

/** Answers `{ id, op, … }` with `{ id, value }` or `{ id, error }`; `workerData` is the path of the package. */
export const workerProgram: string = `
const { parentPort, workerData } = require('node:worker_threads')
const sessions = new Map()
let ort
let next = 0
const busy = new Int32Array(workerData.busy)
const does = {
  load: () => {
    const loaded = require(workerData.path)
    ort = loaded.default ?? loaded
    if (workerData.threads !== undefined) ort.env.wasm.numThreads = workerData.threads
  },
  create: async ({ bytes, options }) => {
    sessions.set(++next, await ort.InferenceSession.create(bytes, options))
    return next
  },
  run: async ({ session, feeds }) => {
    const tensors = {}
    for (const name in feeds) {
      const { dtype, data, shape } = feeds[name]
      tensors[name] = new ort.Tensor(dtype, data, shape)
    }
    const results = await sessions.get(session).run(tensors)
    const arrays = {}
    for (const name in results) arrays[name] = results[name].data
    return arrays
  },
  release: async ({ session }) => {
    const released = sessions.get(session)
    sessions.delete(session)
    await released.release()
  },
}
const answer = async (request) => {
  Atomics.store(busy, 0, 1)
  try {
    const value = await does[request.op](request)
    // Results go over without a copy, except for what is a part of something larger.
    const whole = Object.values(request.op === 'run' ? value : {}).filter(
      ({ buffer, byteLength }) => buffer instanceof ArrayBuffer && buffer.byteLength === byteLength,
    )
    parentPort.postMessage({ id: request.id, value }, [...new Set(whole.map(({ buffer }) => buffer))])
  } catch (error) {
    parentPort.postMessage({ id: request.id, error: error instanceof Error ? error.message : String(error) })
  }
}
let turn = Promise.resolve()
parentPort.on('message', (request) => {
  turn = turn.then(() => answer(request)).then(() => {
    Atomics.store(busy, 0, 0)
    Atomics.notify(busy, 0)
  })
})
`
