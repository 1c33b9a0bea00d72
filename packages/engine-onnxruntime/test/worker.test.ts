/** @file ONNX Runtime in a worker thread: what it is for, and what may happen to it. */
import { compile, evaluate, releaseExecutables, tensor, type Tensor } from '@beyondgrad/tensor'
import { checkEngine } from '@beyondgrad/testing'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { onnxruntime } from '../src/index.ts'
import { missing, nodeRuntime } from '../src/node-runtime.ts'
import { workerRuntime } from '../src/worker-runtime.ts'
import { numbers } from './against-reference.ts'

const engine = onnxruntime({ worker: true, threads: 1 })

afterEach(() => releaseExecutables(engine))

/** Products that take a good while. */
const long = compile(
  (x: Tensor) => {
    let y = x
    for (let i = 0; i < 60; i++) y = y.matmul(x).mul(1e-3)
    return { y: y.sum() }
  },
  { engine },
)
const big = numbers([700, 700], 1)

it.each(['node', 'web'] as const)('agrees with the reference engine: runtime %s', async (runtime) => {
  expect(
    (await checkEngine(onnxruntime({ runtime, worker: true }), { graphs: 30 })).ops.size,
  ).toBeGreaterThan(40)
})

it('leaves this thread alive while a graph is prepared and runs', async () => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  try {
    await long(big)
    expect(ticks).toBeGreaterThan(0)
    ticks = 0
    await long(big)
    expect(ticks).toBeGreaterThan(0)
  } finally {
    clearInterval(timer)
  }
})

describe('a cancelled evaluation', () => {
  it('rejects at once, while the run goes on, and later ones are right', async () => {
    const { y } = await long(big)
    const controller = new AbortController()
    const order: string[] = []
    const before = long(big).then(() => order.push('before'))
    const running = long
      .with({ signal: controller.signal })(big)
      .catch((error: unknown) => {
        order.push((error as { code: string }).code)
      })
    await new Promise((resolve) => setTimeout(resolve, 1))
    controller.abort()
    await Promise.all([before, running])
    expect(order).toEqual(['cancelled', 'before'])
    expect((await long(big)).y.data).toEqual(y.data)
  })

  it('may be cancelled while its graph is prepared', async () => {
    const controller = new AbortController()
    const running = evaluate(tensor([2]).mul(3), { engine, signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect([...(await evaluate(tensor([2]).mul(3), { engine })).data]).toEqual([6])
  })
})

const single = { threads: 1, spin: false, optimization: 'all', executionProviders: ['cpu'] } as const

it('keeps the sentences of errors', async () => {
  const away = await workerRuntime({
    package: 'onnxruntime-node',
    threads: 1,
    executionProviders: ['cpu'],
    missing,
  })
  const here = await nodeRuntime()
  const refusal = (runtime: typeof here): Promise<string> =>
    runtime.createSession(Uint8Array.of(1, 2, 3), single).then(() => 'none', String)
  expect(await refusal(away)).toBe(await refusal(here))
  expect(await refusal(away)).toMatch(/protobuf|parse/i)
})

// As WebAssembly: the native binding ends the whole process when its thread ends in the middle of a run.
it('that dies rejects what it owes, and is replaced', async () => {
  const { Worker } = await import('node:worker_threads')
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called on the worker it belongs to
  const post = Worker.prototype.postMessage
  const workers: InstanceType<typeof Worker>[] = []
  Worker.prototype.postMessage = function (this: InstanceType<typeof Worker>, ...args: [unknown]) {
    if (!workers.includes(this)) workers.push(this)
    return post.apply(this, args)
  }
  const engine = onnxruntime({ runtime: 'web', worker: true, threads: 1 })
  const sum = compile((x: Tensor) => ({ y: x.matmul(x).sum() }), { engine })
  try {
    await sum(big)
    const owed = [sum(big), sum(big)]
    void workers[0]!.terminate()
    for (const { reason } of (await Promise.allSettled(owed)) as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ code: 'engine' })
      expect(String(reason)).toMatch(/worker thread ended before its work was done \(it exited\); the next/)
    }
    expect((await sum(big)).y.data).toHaveLength(1)
    expect(workers).toHaveLength(2)
    await releaseExecutables(engine)
    // With its last session the second one ended as well.
    expect(workers[1]!.threadId).toBe(-1)
  } finally {
    Worker.prototype.postMessage = post
  }
})

it('says how to install what it does not find', async () => {
  const runtime = await workerRuntime({
    package: 'onnxruntime-absent' as 'onnxruntime-node',
    threads: 1,
    executionProviders: ['cpu'],
    missing,
  })
  await expect(runtime.createSession(new Uint8Array(1), single)).rejects.toMatchObject({
    code: 'missing-engine',
  })
})

it('lets a process leave in the middle of a run', async () => {
  const program = `
    import { evaluate, tensor } from '@beyondgrad/tensor'
    import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
    const x = tensor(new Float32Array(1e6), { shape: [1000, 1000], dtype: 'float32' })
    let y = x
    for (let i = 0; i < 60; i++) y = y.matmul(x)
    void evaluate(y, { engine: onnxruntime({ worker: true, threads: 1 }) })
    setTimeout(() => process.exit(7), 300)`
  const root = fileURLToPath(new URL('..', import.meta.url))
  const args = ['--import', 'tsx', '--conditions=@beyondgrad/source', '--input-type=module', '-e', program]
  const run = promisify(execFile)(process.execPath, args, { cwd: root, timeout: 15_000 })
  await expect(run).rejects.toMatchObject({ code: 7, stderr: '' })
})

it('does not keep a process alive that has nothing to do', async () => {
  const program = `
    import { evaluate, tensor } from '@beyondgrad/tensor'
    import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
    const { data } = await evaluate(tensor([1]).add(1), { engine: onnxruntime({ worker: true }) })
    console.log(data.join())`
  const root = fileURLToPath(new URL('..', import.meta.url))
  const args = ['--import', 'tsx', '--conditions=@beyondgrad/source', '--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 15_000 })
  expect(stdout).toBe('2\n')
})
