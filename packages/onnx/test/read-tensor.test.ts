/** @file Tensors as files may hold them. */
import { create, toBinary } from '@bufbuild/protobuf'
import { DataError } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { externalLocation, parseTensor, readSparseTensor, readTensor } from '../src/index.ts'
import {
  SparseTensorProtoSchema,
  TensorProto_DataLocation as Location,
  TensorProto_DataType as Type,
  type TensorProto,
  TensorProtoSchema,
} from '../src/proto/onnx_pb.ts'

type Fields = Partial<Omit<TensorProto, '$typeName' | '$unknown'>>

/** `rawData` is given as the array whose bytes it is. */
function stored(
  dataType: Type,
  dims: readonly number[],
  more: Fields & { readonly raw?: ArrayBufferView } = {},
): TensorProto {
  const { raw, ...fields } = more
  const rawData = raw && new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength)
  return create(TensorProtoSchema, {
    name: 't',
    dataType,
    dims: dims.map(BigInt),
    ...fields,
    ...(rawData && { rawData }),
  })
}

const located = (location: string, offset?: number | string, length?: number | string): Fields => {
  const entries = { location, offset, length }
  const externalData = Object.entries(entries).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: String(value) }],
  )
  return { dataLocation: Location.EXTERNAL, externalData } as unknown as Fields
}

describe('readTensor', () => {
  const raws: [Type, ArrayBufferView, string, readonly (number | bigint)[]][] = [
    [Type.FLOAT, Float32Array.of(1.5, -2), 'float32', [1.5, -2]],
    [Type.DOUBLE, Float64Array.of(0.1, -2), 'float64', [0.1, -2]],
    [Type.FLOAT16, Uint16Array.of(0x3c00, 0xc100), 'float32', [1, -2.5]],
    [Type.BFLOAT16, Uint16Array.of(0x3f80, 0xc020), 'float32', [1, -2.5]],
    [Type.INT8, Int8Array.of(-128, 127), 'int32', [-128, 127]],
    [Type.UINT8, Uint8Array.of(0, 255), 'int32', [0, 255]],
    [Type.INT16, Int16Array.of(-32768, 5), 'int32', [-32768, 5]],
    [Type.UINT16, Uint16Array.of(65535, 5), 'int32', [65535, 5]],
    [Type.INT32, Int32Array.of(-(2 ** 31), 5), 'int32', [-(2 ** 31), 5]],
    [Type.UINT32, Uint32Array.of(2 ** 32 - 1, 5), 'int64', [2n ** 32n - 1n, 5n]],
    [Type.INT64, BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n), 'int64', [-(2n ** 63n), 2n ** 63n - 1n]],
    [Type.UINT64, BigUint64Array.of(2n ** 63n - 1n, 5n), 'int64', [2n ** 63n - 1n, 5n]],
    [Type.BOOL, Uint8Array.of(2, 0), 'bool', [1, 0]],
  ]
  it.each(raws)('reads raw data of type %i', (type, raw, dtype, values) => {
    const { data, ...rest } = readTensor(stored(type, [2], { raw }))
    expect(rest).toMatchObject({ name: 't', shape: [2], dtype })
    expect([...data]).toEqual(values)
  })

  const fields: [Type, Fields, readonly (number | bigint)[]][] = [
    [Type.FLOAT, { floatData: [1.5, -2] }, [1.5, -2]],
    [Type.DOUBLE, { doubleData: [0.1, -2] }, [0.1, -2]],
    [Type.FLOAT16, { int32Data: [0x3c00, 0xc100] }, [1, -2.5]],
    [Type.BFLOAT16, { int32Data: [0x3f80, 0xc020] }, [1, -2.5]],
    [Type.UINT8, { int32Data: [0, 255] }, [0, 255]],
    [Type.BOOL, { int32Data: [1, 0] }, [1, 0]],
    [Type.INT64, { int64Data: [-(2n ** 63n), 3n] }, [-(2n ** 63n), 3n]],
    [Type.UINT32, { uint64Data: [7n, 2n ** 32n - 1n] }, [7n, 2n ** 32n - 1n]],
  ]
  it.each(fields)('reads typed fields of type %i', (type, field, values) => {
    expect([...readTensor(stored(type, [2], field)).data]).toEqual(values)
  })

  it('views the bytes of the file where they are aligned, and copies them elsewhere', () => {
    const file = new Uint8Array(16)
    const at = (offset: number): ArrayBufferLike =>
      readTensor(stored(Type.FLOAT, [2], { rawData: file.subarray(offset, offset + 8) })).data.buffer
    expect(at(4)).toBe(file.buffer)
    expect(at(1)).not.toBe(file.buffer)
    // A Buffer's slice would be no copy.
    expect(readTensor(stored(Type.FLOAT, [2], { rawData: Buffer.from(file.buffer, 1, 8) })).data.length).toBe(
      2,
    )
  })

  it('widens every half precision number as a float32 that rounds to it', () => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i)
    const { data } = readTensor(stored(Type.FLOAT16, [2 ** 16], { raw: bits }))
    expect(data[0x7c00]).toBe(Infinity)
    expect(data[0xfc00]).toBe(-Infinity)
    expect(data[0x7e00]).toBeNaN()
    expect(data[0x0001]).toBe(2 ** -24)
    expect(data[0x03ff]).toBe(1023 * 2 ** -24)
    expect(data[0x7bff]).toBe(65504)
    // Finite numbers grow with their bits.
    for (let i = 1; i < 0x7c00; i++) expect(data[i]!).toBeGreaterThan(data[i - 1]!)
  })

  it('refuses types that have nothing to become, by name', () => {
    for (const [type, name] of [
      [Type.STRING, 'string'],
      [Type.COMPLEX64, 'complex64'],
      [Type.FLOAT8E4M3FN, 'float8e4m3fn'],
      [Type.INT4, 'int4'],
      [99, 'number 99'],
    ] as const) {
      expect(() => readTensor(stored(type as Type, [0]))).toThrow(`tensor "t" has elements of type ${name}`)
    }
  })

  it('holds sizes against the bytes that are there', () => {
    const raw = Float32Array.of(1, 2)
    expect(() => readTensor(stored(Type.FLOAT, [3], { raw }))).toThrow(
      'tensor "t" of shape [3] needs 12 bytes and has 8',
    )
    expect(() => readTensor(stored(Type.FLOAT, [2 ** 20, 2 ** 10]))).toThrow(
      'needs 4294967296 bytes and has 0',
    )
    expect(() => readTensor(stored(Type.FLOAT, [2 ** 20, 2 ** 20]))).toThrow('claims the shape')
    expect(() => readTensor(stored(Type.FLOAT, [-1], { raw }))).toThrow('claims the shape [-1]')
    expect(() => readTensor(stored(Type.FLOAT, [3], { floatData: [1] }))).toThrow(
      'needs 3 elements and has 1',
    )
    expect(() => readTensor(stored(Type.UINT64, [1], { raw: BigUint64Array.of(2n ** 63n) }))).toThrow(
      '2⁶³ or more',
    )
  })

  it('reads tensors of no elements and of no axes', () => {
    expect(readTensor(stored(Type.FLOAT, [0, 3])).data.length).toBe(0)
    expect(readTensor(stored(Type.INT64, [], { int64Data: [7n] }))).toMatchObject({
      shape: [],
      data: BigInt64Array.of(7n),
    })
  })
})

describe('data in another file', () => {
  const file = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)
  const external = (location: string): Uint8Array | undefined => (location === 'w.bin' ? file : undefined)
  const read = (more: Fields): ArrayLike<number | bigint> =>
    readTensor(stored(Type.FLOAT, [2], more), { external }).data

  it('is read from its place', () => {
    expect([...(read(located('w.bin', 4, 8)) as Float32Array)]).toEqual([2, 3])
    expect([...(read(located('w.bin')) as Float32Array)]).toEqual([1, 2])
    expect(externalLocation(stored(Type.FLOAT, [2], located('folder/w.bin')))).toBe('folder/w.bin')
    expect(externalLocation(stored(Type.FLOAT, [2]))).toBeUndefined()
  })

  it('must lie inside of the file', () => {
    expect(() => read(located('w.bin', 12, 8))).toThrow(
      'is said to have 8 from 12 on in "w.bin", a file of 16 bytes',
    )
    expect(() => read(located('w.bin', 0, 4))).toThrow('needs 8 bytes')
    expect(() => read(located('w.bin', '-1'))).toThrow('offset "-1"')
    expect(() => read(located('w.bin', '0x4'))).toThrow('offset "0x4"')
    expect(() => read(located('v.bin'))).toThrow('the file "v.bin", which was not given')
  })

  it.each([
    '../w.bin',
    'a/../../w.bin',
    '/etc/passwd',
    'C:\\w.bin',
    '\\w.bin',
    'a\\..\\w.bin',
    'http://x/w.bin',
    'file:///w',
    '',
    'a\0b',
  ])('is not looked for at %j', (location) => {
    expect(() => externalLocation(stored(Type.FLOAT, [2], located(location)))).toThrow(
      "not a path inside the model's folder",
    )
  })
})

describe('readSparseTensor', () => {
  const sparse = (
    dims: readonly number[],
    indices: readonly number[],
    shape: readonly number[],
  ): ReturnType<typeof readSparseTensor> =>
    readSparseTensor(
      create(SparseTensorProtoSchema, {
        values: stored(Type.FLOAT, [2], { raw: Float32Array.of(5, 6) }),
        indices: stored(Type.INT64, shape, { int64Data: indices.map(BigInt) }),
        dims: dims.map(BigInt),
      }),
    )

  it('writes it out', () => {
    expect(sparse([2, 3], [1, 5], [2])).toMatchObject({
      shape: [2, 3],
      data: Float32Array.of(0, 5, 0, 0, 0, 6),
    })
    expect(sparse([2, 3], [0, 1, 1, 2], [2, 2])).toMatchObject({ data: Float32Array.of(0, 5, 0, 0, 0, 6) })
  })

  it('refuses places outside, and shapes without end', () => {
    expect(() => sparse([2, 3], [1, 6], [2])).toThrow('value 1 is placed outside of [2, 3]')
    expect(() => sparse([2, 3], [0, 3, 1, 2], [2, 2])).toThrow('value 0 is placed outside')
    expect(() => sparse([2 ** 15, 2 ** 15], [1, 6], [2])).toThrow('too many elements')
  })
})

describe('parseTensor', () => {
  it('reads a file of one tensor, or throws a DataError', () => {
    const bytes = toBinary(TensorProtoSchema, stored(Type.FLOAT, [2], { raw: Float32Array.of(1, 2) }))
    expect(parseTensor(bytes)).toMatchObject({ name: 't', shape: [2], data: Float32Array.of(1, 2) })
    const damage = fc.record({ at: fc.nat(bytes.length - 1), to: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 4 }), fc.nat(bytes.length), (damages, length) => {
        const broken = bytes.slice(0, length)
        for (const { at, to } of damages) if (at < length) broken[at] = to
        try {
          parseTensor(broken)
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
