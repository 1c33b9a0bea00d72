/** @file Which backend computes, and the sentences where there is none. */
import { evaluate, type Graph, tensor } from '@beyondgrad/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, vi } from 'vitest'
import { openBackend, type Tf } from '../src/backend.ts'
import { tfjs } from '../src/index.ts'
import { backends } from './backends.ts'

/** TensorFlow.js with some backends registered. */
const withBackends = (names: readonly string[]): (() => Promise<Tf>) => {
  const engine = { ...tf.engine(), backendNames: () => names }
  return () => Promise.resolve({ ...tf, engine: () => engine as unknown as ReturnType<typeof tf.engine> })
}

describe('the backend', () => {
  it('says how to install TensorFlow.js where it is missing', async () => {
    const load = () => Promise.reject<Tf>(new Error("Cannot find package '@tensorflow/tfjs-core'"))
    await expect(openBackend(undefined, load)).rejects.toMatchObject({
      code: 'missing-engine',
      message:
        '@tensorflow/tfjs-core is not installed: npm i @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0',
    })
  })

  it('says how to get one that is not registered', async () => {
    const expected =
      /npm i @tensorflow\/tfjs-backend-webgl@4\.22\.0, and import '@tensorflow\/tfjs-backend-webgl'/
    await expect(evaluate([tensor([1])], { engine: tfjs({ backend: 'webgl' }) })).rejects.toMatchObject({
      code: 'missing-engine',
      message: expect.stringMatching(expected) as string,
    })
    await expect(openBackend(undefined, withBackends([]))).rejects.toThrow(/no backend "wasm" here/)
  })

  it('is wasm if that is registered', async () => {
    expect((await openBackend(undefined)).name).toBe('wasm')
    expect((await openBackend(undefined, withBackends(['cpu']))).name).toBe('cpu')
  })

  it('prints nothing', async () => {
    const spies = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'log'), vi.spyOn(console, 'error')]
    for (const { engine } of backends) await evaluate([tensor([1]).add(1)], { engine })
    for (const spy of spies) expect(spy).not.toHaveBeenCalled()
  })
})

describe('the engine', () => {
  it('refuses options that make no sense', () => {
    expect(() => tfjs({ capacity: 0 })).toThrow(/capacity 0 is not a positive integer/)
  })

  it('refuses ops that it does not know', async () => {
    const x = tensor([1])
    const strange = {
      ...x,
      op: { name: 'strange', family: 'elementwise' },
      inputs: [x],
    } as unknown as typeof x
    const graph: Graph = { inputs: [x], outputs: [strange] }
    await expect(tfjs().compile(graph)).rejects.toMatchObject({
      code: 'unsupported',
      message: 'tfjs has no op "strange"; use another engine for this graph',
    })
  })

  it('refuses runs after disposal', async () => {
    const x = tensor([1])
    const executable = await tfjs().compile({ inputs: [x], outputs: [x] })
    const running = executable.run([Float32Array.from([5])])
    await executable.dispose()
    expect([...(await running)[0]!]).toEqual([5])
    await expect(executable.run([Float32Array.from([5])])).rejects.toThrow(/this executable is disposed/)
  })
})
