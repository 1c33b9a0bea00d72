/** @file TensorFlow.js holds no tensor of ours between runs, however they end. */
import { compile, concat, evaluate, maxPool, tanh, tensor, type Tensor } from '@beyondgrad/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { numbers } from './against-reference.ts'
import { backends } from './backends.ts'

const held = (): readonly [number, number] => {
  const { numTensors, numBytes } = tf.memory()
  return [numTensors, numBytes]
}

/** Thousands of steps: long enough to be interrupted. */
function long(x: Tensor, steps: number): Tensor {
  let y = x
  for (let i = 0; i < steps; i++) y = tanh(y.add(i))
  return y
}

afterEach(() => vi.restoreAllMocks())

describe.each(backends)('memory on $name', ({ engine }) => {
  it('returns to its start after every run', async () => {
    const x = numbers([2, 3, 6, 6], 1)
    const run = compile(
      (a: Tensor) => ({ same: a, view: a.reshape([2, -1]), pooled: maxPool(a, [2, 2]).add(1).sum([0]) }),
      { engine },
    )
    await evaluate([x], { engine })
    const before = held()
    for (let i = 0; i < 3; i++) {
      await run(x)
      expect(held()).toEqual(before)
    }
    await Promise.all([run(x), run(numbers([2, 3, 6, 6], 2)), run(x)])
    expect(held()).toEqual(before)
    await run.dispose()
    expect(held()).toEqual(before)
  })

  it('returns to its start when a run fails', async () => {
    const x = numbers([3, 4], 1)
    await evaluate([x], { engine })
    const before = held()
    const failing = concat([x.exp(), x.sqrt()], 0)
    const spy = vi.spyOn(tf.engine(), 'runKernel')
    spy.mockImplementationOnce(() => {
      throw new Error('no memory left\nand more')
    })
    await expect(evaluate([failing], { engine })).rejects.toMatchObject({
      code: 'engine',
      message: expect.stringMatching(
        /^tfjs cannot compute op "\w+" \[.*\] .*: no memory left; use/,
      ) as string,
    })
    expect(held()).toEqual(before)
  })

  it('returns to its start when a run is cancelled, which works between ops', async () => {
    const x = tensor([1, 2])
    await evaluate([x], { engine })
    const before = held()
    const cancel = new AbortController()
    const running = evaluate([long(x, 20_000)], { engine, signal: cancel.signal })
    setTimeout(() => cancel.abort(), 60)
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect(held()).toEqual(before)
  })
})

it('keeps two backends and the program’s own tensors apart', async () => {
  await tf.setBackend('cpu')
  const own = tf.tensor1d([1, 2, 3])
  const x = tensor([0.5])
  const results = await Promise.all(
    backends.map(({ engine }) => evaluate([long(x, 3000)], { engine }).then(([y]) => y.data[0]!)),
  )
  expect(tf.getBackend()).toBe('cpu')
  expect(results[0]).toBeCloseTo(results[1]!, 4)
  expect([...own.dataSync()]).toEqual([1, 2, 3])
  own.dispose()
})
