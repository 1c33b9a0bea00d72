/** @file Arrays to tensors of TensorFlow.js and back. */
import { DataError, type DType, DTypeError, type NDArray } from '@beyondgrad/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { arrayFromTfjs, arrayToTfjs } from '../src/index.ts'
import './backends.ts'

describe('arrays', () => {
  const arrays: readonly NDArray<DType>[] = [
    { shape: [2, 3], dtype: 'float32', data: Float32Array.of(1, -2.5, NaN, Infinity, 3e-30, 0) },
    { shape: [], dtype: 'int32', data: Int32Array.of(-(2 ** 31)) },
    { shape: [3, 1], dtype: 'bool', data: Uint8Array.of(1, 0, 1) },
    { shape: [0, 4], dtype: 'float32', data: new Float32Array(0) },
  ]
  it.each(arrays)('of $dtype $shape become tensors and come back', async (array) => {
    await tf.ready()
    const before = tf.memory().numTensors
    const x = arrayToTfjs(tf, array)
    expect([x.shape, x.dtype]).toEqual([array.shape, array.dtype])
    expect(await arrayFromTfjs(x)).toEqual(array)
    x.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('of other widths are rounded, narrowed, or refused', async () => {
    await tf.ready()
    const double = Float64Array.of(1 / 3) as unknown as Float32Array<ArrayBuffer>
    const rounded = arrayToTfjs(tf, { shape: [1], dtype: 'float32', data: double })
    expect((await arrayFromTfjs(rounded)).data).toEqual(Float32Array.of(1 / 3))
    const narrow = arrayToTfjs(tf, { shape: [1], dtype: 'int64', data: BigInt64Array.of(-7n) })
    expect(await arrayFromTfjs(narrow)).toEqual({ shape: [1], dtype: 'int32', data: Int32Array.of(-7) })
    const wide: NDArray<'int64'> = { shape: [1], dtype: 'int64', data: BigInt64Array.of(2n ** 31n) }
    expect(() => arrayToTfjs(tf, wide)).toThrow(DataError)
    const float64: NDArray<'float64'> = { shape: [1], dtype: 'float64', data: Float64Array.of(1) }
    expect(() => arrayToTfjs(tf, float64)).toThrow(DTypeError)
    tf.dispose([rounded, narrow])
  })

  it('are not made of strings', async () => {
    await tf.ready()
    const x = tf.tensor(['a'])
    await expect(arrayFromTfjs(x)).rejects.toThrow('there is no dtype "string" here')
    x.dispose()
  })
})
