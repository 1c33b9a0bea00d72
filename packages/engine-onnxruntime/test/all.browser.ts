/** @file The engine in a browser: WebAssembly with and without threads, WebGPU where there is an adapter. */
import { BeyondgradError, type Engine, evaluate, releaseExecutables, tensor } from '@beyondgrad/tensor'
import { checkEngine, engineTable, operations } from '@beyondgrad/testing'
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
    const report = await checkEngine(onnxruntime(), { graphs: 100, each: 2 })
    console.info(engineTable(new Map([['onnxruntime-web (wasm)', report]])))
    expect(report.ops.size).toBeGreaterThan(60)
  })

  it.skipIf(!adapter)('on WebGPU, or refuses: for some ops there are no kernels', async () => {
    const engine = onnxruntime({ executionProviders: ['webgpu', 'wasm'] })
    const refused: string[] = []
    // Its convolutions were wrong by their whole value here (one channel, one axis): the README warns.
    for (const op of operations.filter((name) => !/conv/i.test(name))) {
      // Sines and cosines of a graphics card may be wrong by 2⁻¹¹.
      const options = { graphs: 3, operations: [op], seed: 1000, rtol: 2e-3, atol: 2e-3 }
      await checkEngine(engine, options).catch((error: unknown) => {
        if (!/onnxruntime cannot (run|prepare) a graph/.test(String(error))) throw error
        refused.push(op)
      })
    }
    console.info(
      `onnxruntime-web on WebGPU refuses ${refused.length} of ${operations.length}: ${refused.join(', ')}`,
    )
    expect(refused).not.toEqual(expect.arrayContaining(['matmul']))
    expect(refused.length).toBeLessThan(operations.length / 3)
  })
})

it('has one runtime only', () => {
  const node = (): Engine => onnxruntime({ runtime: 'node' })
  expect(node).toThrow(BeyondgradError)
  expect(node).toThrow(/a browser has runtime 'web' only/)
})
