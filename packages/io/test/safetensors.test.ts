import { DataError, type DType, type NDArray } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  formatSafetensors,
  type NamedArrays,
  parseSafetensors,
  readSafetensors,
  safetensorsMetadata,
  writeSafetensors,
} from '../src/index.ts'

/** A file from a header and the bytes behind it, by hand. */
function file(header: unknown, elements: readonly number[] = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + elements.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(elements, 8 + json.length)
  return bytes
}

const one = (dtype: string, elements: readonly number[], shape: readonly number[] = [1]): Uint8Array =>
  file({ x: { dtype, shape, data_offsets: [0, elements.length] } }, elements)

const arrays: NamedArrays = {
  'layer.weight': {
    shape: [2, 3],
    dtype: 'float32',
    data: Float32Array.of(1, -2.5, 3e-30, NaN, Infinity, -0),
  },
  double: { shape: [2], dtype: 'float64', data: Float64Array.of(Math.PI, -1e300) },
  labels: { shape: [3], dtype: 'int32', data: Int32Array.of(-1, 0, 2 ** 31 - 1) },
  step: { shape: [], dtype: 'int64', data: BigInt64Array.of(-(2n ** 62n)) },
  mask: { shape: [1, 3], dtype: 'bool', data: Uint8Array.of(1, 0, 1) },
  nothing: { shape: [0, 4], dtype: 'float32', data: new Float32Array(0) },
}

describe('safetensors', () => {
  it('come back as they were, aligned, with their texts', () => {
    const bytes = formatSafetensors(arrays, { metadata: { format: 'pt' } })
    expect(parseSafetensors(bytes)).toEqual(arrays)
    expect(safetensorsMetadata(bytes)).toEqual({ format: 'pt' })
    expect(safetensorsMetadata(formatSafetensors({}))).toEqual({})
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0)
    // A view into a larger buffer, as Node gives for small files.
    const inside = new Uint8Array(bytes.length + 3)
    inside.set(bytes, 3)
    expect(parseSafetensors(inside.subarray(3))).toEqual(arrays)
  })

  it('keep double precision that a float32 array has', () => {
    const data = Float64Array.of(1 / 3) as unknown as Float32Array<ArrayBuffer>
    const found = parseSafetensors(formatSafetensors({ x: { shape: [1], dtype: 'float32', data } }))
    expect(found).toEqual({ x: { shape: [1], dtype: 'float64', data: Float64Array.of(1 / 3) } })
  })

  it('hold any names and numbers', () => {
    const array = fc.array(fc.float({ noNaN: false }), { maxLength: 6 }).map((data): NDArray<DType> => ({
      shape: [data.length],
      dtype: 'float32',
      data: Float32Array.from(data),
    }))
    const name = fc.string({ unit: 'grapheme' }).filter((s) => s !== '__metadata__')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(name, fc.constant('__proto__')), array), { maxLength: 5 }),
        (entries) => {
          const written = Object.fromEntries(entries)
          const found = parseSafetensors(formatSafetensors(written))
          expect(new Map(Object.entries(found))).toEqual(new Map(Object.entries(written)))
        },
      ),
    )
  })

  it('become the nearest element type that holds every value', () => {
    const read = (dtype: string, elements: readonly number[]): unknown => {
      const { dtype: became, data } = parseSafetensors(one(dtype, elements)).x!
      return [became, data[0]]
    }
    expect(read('F32', [0, 0, 0x40, 0xc0])).toEqual(['float32', -3])
    expect(read('F16', [0x00, 0x3c])).toEqual(['float32', 1])
    expect(read('F16', [0x01, 0x80])).toEqual(['float32', -(2 ** -24)])
    expect(read('F16', [0xff, 0x7b])).toEqual(['float32', 65504])
    expect(read('F16', [0x00, 0xfc])).toEqual(['float32', -Infinity])
    expect(read('F16', [0x01, 0x7c])).toEqual(['float32', NaN])
    expect(read('BF16', [0x80, 0xbf])).toEqual(['float32', -1])
    expect(read('I8', [0xff])).toEqual(['int32', -1])
    expect(read('U8', [0xff])).toEqual(['int32', 255])
    expect(read('I16', [0xfe, 0xff])).toEqual(['int32', -2])
    expect(read('U16', [0xfe, 0xff])).toEqual(['int32', 65534])
    expect(read('U32', [255, 255, 255, 255])).toEqual(['int64', 4294967295n])
    expect(read('BOOL', [7])).toEqual(['bool', 1])
  })

  const wrong: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing', new Uint8Array(0), /0 bytes do not hold the length of a header/],
    [
      'a header beyond the file',
      file('{}').subarray(0, 9),
      /a header of 2 bytes does not fit into a file of 9/,
    ],
    [
      'a header without end',
      Uint8Array.of(...Array<number>(8).fill(255), 1),
      /a header of 18446744073709551615/,
    ],
    ['no JSON', file('{"x"'), /its header is not JSON/],
    ['JSON nested without end', file('['.repeat(200_000)), /its header is not JSON/],
    ['bytes that are no text', file('{}').map((b, i) => (i === 8 ? 0xff : b)), /its header is not JSON/],
    ['a list', file([]), /its header is not an object/],
    ['no description', file({ x: null }), /the header has no description of "x"/],
    ['an unknown type', one('F8_E5M2', [1]), /"x" holds "F8_E5M2": there are F64, F32/],
    ['a type of JavaScript', one('constructor', [1]), /"x" holds "constructor"/],
    [
      'a shape that is none',
      file({ x: { dtype: 'U8', shape: [-1], data_offsets: [0, 0] } }),
      /"x" has no shape/,
    ],
    ['no place', file({ x: { dtype: 'U8', shape: [1], data_offsets: [0] } }), /"x" has no place/],
    ['too few bytes', one('F32', [1, 2, 3]), /"x" of shape \[1\] does not lie from byte 0 to 3 of 3/],
    [
      'a shape beyond all bounds',
      one('U8', [1], [2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52]),
      /"x" of shape .* does not lie from byte 0 to 1/,
    ],
    ['bytes left over', file({}, [1]), /the header describes 0 bytes of elements, but there are 1/],
    [
      'two arrays in one place',
      file(
        {
          x: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
          y: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
        },
        [1],
      ),
      /the bytes of "y" do not follow those before it/,
    ],
    ['metadata that are no texts', file({ __metadata__: { a: 1 } }), /its metadata are not texts/],
  ]
  it.each(wrong)('with %s are one DataError', (_what, bytes, message) => {
    expect(() => parseSafetensors(bytes)).toThrow(DataError)
    expect(() => parseSafetensors(bytes)).toThrow(message)
  })

  it('cut off anywhere, or with any byte changed, are a DataError or arrays', () => {
    const bytes = formatSafetensors(arrays)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseSafetensors(bytes.subarray(0, length))).toThrow(DataError)
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = bytes.slice()
        changed[at]! ^= by
        try {
          for (const { shape, data } of Object.values(parseSafetensors(changed))) {
            expect(data).toHaveLength(shape.reduce((a, b) => a * b, 1))
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('cannot hold what is no array', () => {
    const format = (x: unknown) => () => formatSafetensors({ x } as NamedArrays)
    expect(format({ shape: [1], dtype: 'float32' })).toThrow(
      '"x" is no array with data; evaluate tensors first',
    )
    expect(format({ shape: [2], dtype: 'float32', data: new Float32Array(1) })).toThrow(
      '"x" with 1 elements and shape [2]',
    )
    expect(() => formatSafetensors({ __metadata__: arrays.mask! })).toThrow(DataError)
  })

  it('lie on disk whole, or not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'safetensors-'))
    try {
      const path = join(folder, 'model.safetensors')
      await writeSafetensors(path, arrays)
      await writeSafetensors(path, { only: arrays.mask! }, { metadata: { epoch: '3' } })
      expect(await readSafetensors(path)).toEqual({ only: arrays.mask })
      expect(safetensorsMetadata(await readFile(path))).toEqual({ epoch: '3' })
      expect(await readdir(folder)).toEqual(['model.safetensors'])
      await expect(readSafetensors(join(folder, 'other'))).rejects.toThrow(
        /readSafetensors: .*other cannot be read/,
      )
      await expect(writeSafetensors(join(folder, 'no', 'x'), arrays)).rejects.toThrow(/cannot be written/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
