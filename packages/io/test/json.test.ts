/** @file Arrays in JSON. */
import { DataError, type DType, type NDArray } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrayFromJson, arrayToJson } from '../src/index.ts'

const throughText = (array: NDArray<DType>): unknown =>
  JSON.parse(JSON.stringify(arrayToJson(array))) as unknown

describe('arrays in JSON', () => {
  it('come back as they were', () => {
    const arrays: readonly NDArray<DType>[] = [
      { shape: [2, 2], dtype: 'float32', data: Float32Array.of(1, -2.5, NaN, Infinity) },
      { shape: [2], dtype: 'float64', data: Float64Array.of(1 / 3, -Infinity) },
      { shape: [], dtype: 'int32', data: Int32Array.of(-7) },
      { shape: [3], dtype: 'int64', data: BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 3n) },
      { shape: [2], dtype: 'bool', data: Uint8Array.of(1, 0) },
      { shape: [0, 3], dtype: 'float32', data: new Float32Array(0) },
    ]
    for (const array of arrays) {
      // Floats don't say which they are: the numbers do.
      expect(arrayFromJson(throughText(array), { dtype: array.dtype })).toEqual(array)
    }
    expect(arrayToJson(arrays[0]!)).toEqual({ shape: [2, 2], data: [1, -2.5, 'NaN', 'Infinity'] })
    expect(arrayToJson(arrays[3]!)).toMatchObject({
      dtype: 'int64',
      data: ['9223372036854775807', '-9223372036854775808', 3],
    })
    fc.assert(
      fc.property(fc.array(fc.double()), (numbers) => {
        const array: NDArray<DType> = {
          shape: [numbers.length],
          dtype: 'float64',
          data: Float64Array.from(numbers),
        }
        const found = arrayFromJson(throughText(array), { dtype: 'float64' })
        // JSON has no -0.
        expect([...found.data].map((x) => Number(x) + 0)).toEqual(numbers.map((x) => x + 0))
      }),
    )
  })

  it('are float32 unless they say otherwise', () => {
    expect(arrayFromJson({ shape: [1], data: [0.1] })).toEqual({
      shape: [1],
      dtype: 'float32',
      data: Float32Array.of(0.1),
    })
    expect(arrayFromJson({ shape: [1], data: [5], dtype: 'int64' }).data).toEqual(BigInt64Array.of(5n))
  })

  it.each([
    [null, /an array in JSON is/],
    [[1, 2], /an array in JSON is/],
    [{ shape: [2] }, /an array in JSON is/],
    [{ shape: [-1], data: [] }, /an array in JSON is/],
    [{ shape: [1.5], data: [] }, /an array in JSON is/],
    [{ shape: 'ab', data: [] }, /an array in JSON is/],
    [{ shape: [3], data: [1, 2] }, /the shape \[3\] does not go with 2 numbers; data is a flat list/],
    [{ shape: [1e9, 1e9, 1e9], data: [] }, /does not go with 0 numbers/],
    [{ shape: [2], data: [[1], [2]] }, /element 0 is \[1\], no float32/],
    [{ shape: [1], data: ['1'] }, /element 0 is "1", no float32/],
    [{ shape: [1], data: [null] }, /element 0 is null, no float32/],
    [{ shape: [1], data: ['toString'] }, /element 0 is "toString", no float32/],
    [{ shape: [1], data: [1.5], dtype: 'int32' }, /element 0 is 1.5, no int32/],
    [{ shape: [1], data: [2 ** 31], dtype: 'int32' }, /no int32/],
    [{ shape: [1], data: [2 ** 53], dtype: 'int64' }, /no int64/],
    [{ shape: [1], data: ['9223372036854775808'], dtype: 'int64' }, /no int64/],
    [{ shape: [1], data: [2], dtype: 'bool' }, /no bool/],
    [{ shape: [1], data: [2], dtype: 'complex64' }, /there is no dtype "complex64"; there are float32/],
  ])('%j is a DataError', (value, message) => {
    expect(() => arrayFromJson(value)).toThrow(DataError)
    expect(() => arrayFromJson(value, { where: 'golden.json' })).toThrow(message)
  })
})
