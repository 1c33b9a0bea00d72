/** @file The engine itself: sessions, cancelling, errors, memory. */
import {
  add,
  BeyondgradError,
  cast,
  compile,
  constant,
  type Engine,
  evaluate,
  type Executable,
  maximum,
  maxPool,
  releaseExecutables,
  silu,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { engineOn } from '../src/engine.ts'
import { onnxruntime } from '../src/index.ts'
import { nodeRuntime } from '../src/node-runtime.ts'
import type { Runtime, SessionOptions } from '../src/runtime.ts'
import { expectAgreement, native, numbers } from './against-reference.ts'

/** An expression without inputs. */
const two = (): Tensor => add(constant([1]), 1)

/** The real runtime, watched. */
async function watched(): Promise<{ runtime: Runtime; created: SessionOptions[]; open: () => number }> {
  const runtime = await nodeRuntime()
  const created: SessionOptions[] = []
  let open = 0
  return {
    created,
    open: () => open,
    runtime: {
      threads: 2,
      executionProviders: ['cpu'],
      createSession: async (bytes, options) => {
        created.push(options)
        const session = await runtime.createSession(bytes, options)
        open++
        return {
          run: (feeds) => session.run(feeds),
          release: async () => {
            open--
            await session.release()
          },
        }
      },
    },
  }
}

describe('double precision', () => {
  it('has no fused operators, for which there are no kernels', async () => {
    const x = tensor(Float64Array.of(-2, 0, 1.5), { shape: [3], dtype: 'float64' }) as unknown as Tensor
    await expectAgreement([silu(x)], { relative: 1e-12 })
  })
})

it('says so where a pool has too many axes', async () => {
  const { code, message } = await failure(
    evaluate(maxPool(numbers([1, 1, 2, 2, 2, 2], 1), [2, 2, 2, 2]), { engine: native }),
  )
  expect(code).toBe('unsupported')
  expect(message).toMatch(/at most three spatial axes/)
})

async function failure(of: Promise<unknown>): Promise<BeyondgradError> {
  const error = await of.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BeyondgradError)
  return error as BeyondgradError
}

describe('sessions', () => {
  it('are kept within the capacity, released when evicted, and right throughout', async () => {
    const { runtime, created, open } = await watched()
    const engine = engineOn(() => Promise.resolve(runtime), { capacity: 2 })
    const x = tensor([0.5])
    const sums = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        // One shape each: one graph each.
        const { data } = await evaluate(
          add(x, i)
            .expand([i + 1])
            .sum(),
          { engine },
        )
        return data[0]
      }),
    )
    expect(sums).toEqual(Array.from({ length: 50 }, (_, i) => (i + 0.5) * (i + 1)))
    expect(created).toHaveLength(50)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(open()).toBeLessThanOrEqual(2)
    await releaseExecutables(engine)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(open()).toBe(0)
  })

  it('are kept within the capacity in bytes', async () => {
    const { runtime, open } = await watched()
    // Each graph has 400 kB of intermediates.
    const engine = engineOn(() => Promise.resolve(runtime), { capacityBytes: 900_000 })
    const at = (i: number) =>
      evaluate(
        add(numbers([100_000], 1), i)
          .tanh()
          .sum(),
        { engine },
      )
    for (let i = 0; i < 8; i++) await at(i)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(open()).toBeLessThanOrEqual(2)
    expect(open()).toBeGreaterThan(0)
    await releaseExecutables(engine)
  })

  it('of tiny graphs run on one thread, of big ones on as many as there are', async () => {
    const { runtime, created } = await watched()
    const engine = engineOn(() => Promise.resolve(runtime), {})
    await evaluate(add(numbers([3], 1), 1), { engine })
    await evaluate(numbers([512, 512], 1).matmul(numbers([512, 512], 2)), { engine })
    expect(created.map(({ threads }) => threads)).toEqual([1, 2])
    expect(created[1]).toMatchObject({ spin: false, optimization: 'extended', executionProviders: ['cpu'] })
    await releaseExecutables(engine)
  })

  it('run interleaved, each with its own feeds', async () => {
    const double = compile((x: Tensor) => x.mul(2).sum(), { engine: native })
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        double(tensor(Float32Array.of(i, i), { shape: [2], dtype: 'float32' })),
      ),
    )
    expect(results.map(({ data }) => data[0])).toEqual(Array.from({ length: 20 }, (_, i) => 4 * i))
  })

  it('are not used after they are disposed, and finish what runs', async () => {
    const executable: Executable = await native.compile({ inputs: [], outputs: [two()] })
    const running = executable.run([])
    await executable.dispose()
    expect([...(await running)[0]!]).toEqual([2])
    expect((await failure(executable.run([]))).message).toMatch(/disposed; compile the graph again/)
    await executable.dispose()
  })
})

describe('results', () => {
  it('are inputs, constants and one value under two names', async () => {
    const x = numbers([2, 2], 1)
    await expectAgreement([x, x, add(x, 1), add(x, 1), two()])
  })

  it('of an empty request', async () => {
    expect(await evaluate({}, { engine: native })).toEqual({})
  })

  it('of random small graphs', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(7), fc.nat(99), fc.nat(99)), { minLength: 1, maxLength: 12 }),
        (steps) => {
          const values = [numbers([3, 4], 1), numbers([4], 2, true), numbers([3, 1], 3)]
          for (const [op, left, right] of steps) {
            const a = values[left % values.length]!
            const b = values[right % values.length]!
            const choices = [
              () => a.add(b),
              () => a.mul(b),
              () => a.sub(b).tanh(),
              () => maximum(a, b),
              () => a.sum([a.shape.length - 1], { keep: true }),
              () => a.square().sum([0], { keep: true }),
              () =>
                (a.shape.length === 2 ? a.transpose().matmul(a) : a.neg())
                  .sum([0])
                  .reshape([-1])
                  .slice(0, 0, 1),
              () => a.mul(0.5).exp().max([0], { keep: true }),
            ]
            values.push(choices[op]!())
          }
          return expectAgreement(values, { relative: 1e-4, absolute: 1e-4 })
        },
      ),
      { numRuns: 100 },
    ))
})

describe('errors', () => {
  const missing = (error: unknown): Engine =>
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever an import may throw
    engineOn(() => nodeRuntime(() => Promise.reject(error)), {})
  const one = () => add(numbers([1], 1), 1)

  it('a package that is not there: the install line', async () => {
    const absent = Object.assign(new Error("Cannot find package 'onnxruntime-node' imported from x"), {
      code: 'ERR_MODULE_NOT_FOUND',
    })
    const { code, message } = await failure(evaluate(one(), { engine: missing(absent) }))
    expect(code).toBe('missing-engine')
    expect(message).toBe('onnxruntime-node is not installed: npm i onnxruntime-node')
  })

  it('no binary for the platform', async () => {
    const intel = Object.assign(
      new Error("Cannot find module '../bin/darwin/x64/onnxruntime_binding.node'"),
      {
        code: 'MODULE_NOT_FOUND',
      },
    )
    const { message } = await failure(evaluate(one(), { engine: missing(intel) }))
    expect(message).toMatch(
      /does not load on .*no binary for musl or Intel Macs, npm i onnxruntime-web and use/,
    )
  })

  it('a binary that does not load: why, and what to do', async () => {
    const musl = new Error(
      'Error relocating onnxruntime_binding.node: __vsnprintf_chk: symbol not found\n at x',
    )
    const { code, message } = await failure(evaluate(one(), { engine: missing(musl) }))
    expect(code).toBe('missing-engine')
    expect(message).toMatch(/does not load on (linux|darwin|win32)/)
    expect(message).toMatch(/symbol not found\): reinstall it with npm i onnxruntime-node/)
    expect(message).not.toContain('\n')
  })

  it('tries to load again after a failure', async () => {
    let tries = 0
    const engine = engineOn(() => {
      tries++
      return tries === 1 ? Promise.reject(new BeyondgradError('missing-engine', 'not yet')) : nodeRuntime()
    }, {})
    expect((await failure(evaluate(one(), { engine }))).message).toBe('not yet')
    expect((await evaluate(one(), { engine })).data).toHaveLength(1)
    await releaseExecutables(engine)
  })

  it('a cancelled run', async () => {
    const executable = await native.compile({ inputs: [], outputs: [two()] })
    const { code } = await failure(executable.run([], { signal: AbortSignal.abort() }))
    expect(code).toBe('cancelled')
    await executable.dispose()
  })

  it('what ONNX Runtime refuses is one sentence', async () => {
    const runtime: Runtime = {
      threads: 1,
      executionProviders: ['cpu'],
      createSession: () =>
        Promise.reject(new Error('Could not find an implementation for Erf(13) node\nmore')),
    }
    const { code, message } = await failure(
      evaluate(cast(one(), 'float64'), { engine: engineOn(() => Promise.resolve(runtime), {}) }),
    )
    expect(code).toBe('unsupported')
    expect(message).toMatch(/^onnxruntime cannot prepare a graph: Could not find an implementation for Erf/)
    expect(message).not.toContain('\n')
  })

  it('options that are no numbers of anything', () => {
    expect(() => onnxruntime({ threads: 0 })).toThrow(/threads 0 is not a positive integer/)
    expect(() => onnxruntime({ capacity: 1.5 })).toThrow(/capacity 1.5/)
  })
})
