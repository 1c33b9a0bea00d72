/** @file Tensors written as what their elements are in the file, against how they are read. */
import type { HostArray } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { protoOfTensor, readTensor, writeTensor } from '../src/index.ts'

const written = (elementType: string, data: HostArray): HostArray =>
  readTensor(protoOfTensor({ name: 't', shape: [data.length], dtype: 'float32', elementType, data })).data

const isNumber = (x: number): boolean => !Number.isNaN(x)

/** All numbers that 16 bits can be, in order, without NaN. */
function all16(elementType: 'float16' | 'bfloat16'): Float32Array {
  const proto = protoOfTensor({
    name: 't',
    shape: [2 ** 16],
    dtype: 'float32',
    elementType,
    data: new Float32Array(2 ** 16),
  })
  proto.rawData = new Uint8Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer)
  return (readTensor(proto).data as Float32Array).filter(isNumber).sort()
}

describe.each(['float16', 'bfloat16'] as const)('%s', (elementType) => {
  const numbers = all16(elementType)

  it('keeps every number that it has', () => {
    expect(written(elementType, numbers)).toEqual(numbers)
    expect((written(elementType, Float32Array.of(NaN)) as Float32Array)[0]).toBeNaN()
  })

  it('rounds to the nearest, ties to even', () => {
    const finite = numbers.filter(Number.isFinite)
    for (let i = 1; i < finite.length; i++) {
      const [a, b] = [finite[i - 1]!, finite[i]!]
      const middle = (a + b) / 2
      if (a === b || Math.fround(middle) !== middle) continue
      const near = Float32Array.of(a + (b - a) / 4, b - (b - a) / 4, middle)
      const found = written(elementType, near) as Float32Array
      expect([found[0], found[1]]).toEqual([a, b])
      // Of two neighbours one has an even last bit; it is the one that the middle goes to.
      const bits = protoOfTensor({
        name: 't',
        shape: [1],
        dtype: 'float32',
        elementType,
        data: Float32Array.of(middle),
      }).rawData
      expect(bits[0]! % 2).toBe(0)
    }
  })

  it('has infinity for what is larger than all', () => {
    const huge = elementType === 'float16' ? [65519, 65520, -1e9] : [3.3e38, 3.4028234e38, -3.4028234e38]
    const largest = numbers.filter(Number.isFinite).at(-1)
    const found = Array.from(written(elementType, Float32Array.from(huge)) as Float32Array)
    expect(found.slice(1)).toEqual([Infinity, -Infinity])
    expect(found[0]).toBeLessThanOrEqual(largest!)
  })
})

describe('the other element types', () => {
  it('hold what they held', () => {
    const ints = (min: number, max: number): fc.Arbitrary<Int32Array> =>
      fc.array(fc.integer({ min, max }), { maxLength: 5 }).map((list) => Int32Array.from(list))
    const bigs = (min: bigint, max: bigint): fc.Arbitrary<BigInt64Array> =>
      fc.array(fc.bigInt({ min, max }), { maxLength: 5 }).map((list) => BigInt64Array.from(list))
    const cases: readonly (readonly [string, fc.Arbitrary<HostArray>])[] = [
      ['float', fc.float32Array({ maxLength: 5 })],
      ['double', fc.float64Array({ maxLength: 5 })],
      ['int8', ints(-128, 127)],
      ['uint8', ints(0, 255)],
      ['int16', ints(-32768, 32767)],
      ['uint16', ints(0, 65535)],
      ['int32', ints(-(2 ** 31), 2 ** 31 - 1)],
      ['uint32', bigs(0n, 2n ** 32n - 1n)],
      ['int64', bigs(-(2n ** 63n), 2n ** 63n - 1n)],
      ['uint64', bigs(0n, 2n ** 63n - 1n)],
      [
        'bool',
        fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 5 }).map((list) => Uint8Array.from(list)),
      ],
    ]
    for (const [elementType, arrays] of cases) {
      const holds = fc.property(arrays, (data) => {
        expect(written(elementType, data)).toEqual(data)
      })
      fc.assert(holds)
    }
  })

  it('are refused where the numbers do not fill the shape, or have no such type', () => {
    const proto = protoOfTensor({
      name: 't',
      shape: [2],
      dtype: 'float32',
      elementType: 'float',
      data: new Float32Array(2),
    })
    expect(() => writeTensor(proto, new Float32Array(3))).toThrow(
      'tensor "t" of shape [2] can\'t hold 3 elements: give 2',
    )
    proto.dataType = 8
    expect(() => writeTensor(proto, new Float32Array(2))).toThrow(
      'elements of type string, which are not written',
    )
  })
})
