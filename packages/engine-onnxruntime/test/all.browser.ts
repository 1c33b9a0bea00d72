/** @file The engine in a browser: WebAssembly with and without threads, WebGPU where there is an adapter. */
import { BeyondgradError, type Engine, evaluate, releaseExecutables, tensor } from '@beyondgrad/tensor'
import { checkEngine, operations } from '@beyondgrad/testing'
import * as ort from 'onnxruntime-web/wasm'
import { describe, expect, it } from 'vitest'
import { onnxruntime } from '../src/browser.ts'

const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } }
const adapter = await gpu?.requestAdapter().catch(() => null)

it('runs on as many threads as an isolated page allows', async () => {
  expect(crossOriginIsolated).toBe(true)
  const engine = onnxruntime({ threads: 2 })
  const { data } = await evaluate(tensor([1, 2]).add(1), { engine })
  expect([...data]).toEqual([2, 3])
  expect(ort.env.wasm.numThreads).toBe(2)
  await releaseExecutables(engine)
})

describe('agrees with the reference engine on graphs of all ops', () => {
  it('as WebAssembly', async () => {
    await expect(checkEngine(onnxruntime(), { graphs: 150 })).resolves.toBeUndefined()
  })

  it.skipIf(!adapter)('on WebGPU', async () => {
    const engine = onnxruntime({ executionProviders: ['webgpu', 'wasm'] })
    // It has no kernel for convolutions in groups over three axes, and its MaxPool does not tell where the maxima are. Both
    // are errors, never wrong numbers.
    const some = operations.filter((name) => !/maxPool|conv|unfold/i.test(name))
    await expect(checkEngine(engine, { graphs: 40, operations: some })).resolves.toBeUndefined()
  })
})

it('has one runtime only', () => {
  const node = (): Engine => onnxruntime({ runtime: 'node' })
  expect(node).toThrow(BeyondgradError)
  expect(node).toThrow(/a browser has runtime 'web' only/)
})
