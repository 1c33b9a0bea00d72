/** @file The WebAssembly runtime in Node, for machines without a native binary. */
import { evaluate, releaseExecutables, tensor } from '@beyondgrad/tensor'
import { checkEngine } from '@beyondgrad/testing'
import { expect, it } from 'vitest'
import { engineOn } from '../src/engine.ts'
import { onnxruntime } from '../src/index.ts'
import { webRuntime } from '../src/web-runtime.ts'

it('agrees with the reference engine on graphs of all ops', async () => {
  expect((await checkEngine(onnxruntime({ runtime: 'web' }), { graphs: 60 })).ops.size).toBeGreaterThan(40)
})

const refusing = (message: string) =>
  webRuntime(() => Promise.reject(new Error(message)), {
    threads: undefined,
    wasmPaths: undefined,
    worker: false,
  })

it('says how to install it where it is missing', async () => {
  await expect(refusing("Cannot find package 'onnxruntime-web'\nat x")).rejects.toMatchObject({
    code: 'missing-engine',
    message: "onnxruntime-web does not load (Cannot find package 'onnxruntime-web'): npm i onnxruntime-web",
  })
})

it.each([
  ['[wasm] TypeError: Failed to fetch ort.wasm\nat x', /files \(\[wasm\] .* wasmPaths: '\/ort\/' }\)$/],
  ['[webgpu] Error: no adapter', /cannot use WebGPU here .* take executionProviders: \['wasm'\]$/],
])('says what to do about %s', async (reason, expected) => {
  const ort = await import('onnxruntime-web')
  const create = () => Promise.reject(new Error(`no available backend found. ERR: ${reason}`))
  const load = () => Promise.resolve({ ...ort, default: undefined, InferenceSession: { create } } as never)
  const engine = engineOn(() => webRuntime(load, { threads: 1, wasmPaths: undefined, worker: false }), {})
  const running = evaluate(tensor([1]).add(1), { engine })
  await expect(running).rejects.toMatchObject({ code: 'missing-engine' })
  await expect(running).rejects.toThrow(expected)
  await releaseExecutables(engine)
})

it('runs one session at a time, of whatever engine, and warns of WebGPU once', async () => {
  const ort = await import('onnxruntime-web')
  const warnings: string[] = []
  let [running, most] = [0, 0]
  const run = async (): Promise<object> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 5))
    running--
    return { y0: { data: Float32Array.of(2) } }
  }
  const create = () => Promise.resolve({ run, release: () => Promise.resolve() })
  const module = { ...ort, env: { ...ort.env }, default: undefined, InferenceSession: { create } } as never
  const options = {
    threads: 1,
    wasmPaths: undefined,
    worker: false,
    warn: (text: string) => warnings.push(text),
  }
  const engines = [1, 2].map(() =>
    engineOn(() => webRuntime(() => Promise.resolve(module), options), { executionProviders: ['webgpu'] }),
  )
  const x = tensor([1])
  await Promise.all(
    engines.flatMap((engine) => [evaluate(x.add(1), { engine }), evaluate(x.mul(2), { engine })]),
  )
  expect(most).toBe(1)
  expect(warnings).toEqual([expect.stringMatching(/WebGPU computes some convolutions wrongly/)])
  for (const engine of engines) await releaseExecutables(engine)
})

it('is a choice of two', () => {
  expect(() => onnxruntime({ runtime: 'wasm' as 'web' })).toThrow(/"wasm" is neither 'node' nor 'web'/)
})
