/** @file Npy and npz: what NumPy writes, what we write, and files that lie. */
import { DataError, type NDArray } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  formatNpy,
  formatNpz,
  type NamedArrays,
  parseNpy,
  parseNpz,
  readNpy,
  readNpz,
  writeNpy,
  writeNpz,
} from '../src/index.ts'

/** A file by hand; the elements begin wherever the header ends. */
function file(header: string, elements: readonly number[] = [], version = 1): Uint8Array {
  const text = new TextEncoder().encode(header)
  const begin = version === 1 ? 10 : 12
  const bytes = new Uint8Array(begin + text.length + elements.length)
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0])
  const view = new DataView(bytes.buffer)
  if (version === 1) view.setUint16(8, text.length, true)
  else view.setUint32(8, text.length, true)
  bytes.set(text, begin)
  bytes.set(elements, begin + text.length)
  return bytes
}

const dictionary = (descr: string, shape = '(1,)', fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`

const arrays: NamedArrays = {
  'layer/weight': {
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

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

describe('npy', () => {
  it('come back as they were, with elements at a multiple of 64', () => {
    for (const array of Object.values(arrays)) {
      const bytes = formatNpy(array)
      expect(parseNpy(bytes)).toEqual(array)
      expect((bytes.length - array.data.byteLength) % 64).toBe(0)
      const inside = new Uint8Array(bytes.length + 3)
      inside.set(bytes, 3)
      expect(parseNpy(inside.subarray(3))).toEqual(array)
    }
  })

  it('are not copied where their elements are aligned', () => {
    const bytes = formatNpy(arrays.labels!)
    expect(parseNpy(bytes).data.buffer).toBe(bytes.buffer)
    const inside = new Uint8Array(bytes.length + 1)
    inside.set(bytes, 1)
    expect(parseNpy(inside.subarray(1)).data.buffer).not.toBe(inside.buffer)
  })

  it('keep double precision that a float32 array has', () => {
    const data = Float64Array.of(1 / 3) as unknown as Float32Array<ArrayBuffer>
    const found = parseNpy(formatNpy({ shape: [1], dtype: 'float32', data }))
    expect(found).toEqual({ shape: [1], dtype: 'float64', data: Float64Array.of(1 / 3) })
  })

  it.each([
    ['<f4', [0, 0, 0x40, 0xc0], 'float32', -3],
    ['>f4', [0xc0, 0x40, 0, 0], 'float32', -3],
    ['>f8', [0xc0, 8, 0, 0, 0, 0, 0, 0], 'float64', -3],
    ['<f2', [0x00, 0x3c], 'float32', 1],
    ['>f2', [0xfc, 0x00], 'float32', -Infinity],
    ['|i1', [0xff], 'int32', -1],
    ['|u1', [0xff], 'int32', 255],
    ['<i2', [0xfe, 0xff], 'int32', -2],
    ['>u2', [0xff, 0xfe], 'int32', 65534],
    ['>i4', [0xff, 0xff, 0xff, 0xfe], 'int32', -2],
    ['<u4', [255, 255, 255, 255], 'int64', 4294967295n],
    ['>i8', [255, 255, 255, 255, 255, 255, 255, 254], 'int64', -2n],
    ['<u8', [1, 0, 0, 0, 0, 0, 0, 0], 'int64', 1n],
    ['|b1', [7], 'bool', 1],
  ])('%s becomes the nearest element type that holds every value', (descr, elements, dtype, value) => {
    const found = parseNpy(file(dictionary(descr), elements))
    expect([found.dtype, found.data[0]]).toEqual([dtype, value])
  })

  it('in column-major order are brought in row-major order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), (shape) => {
        const size = product(shape)
        // Element i of the file is i; in column-major order the first index runs fastest.
        const bytes = file(
          dictionary('|u1', `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`, 'True'),
          Array.from({ length: size }, (_, i) => i),
        )
        const { data } = parseNpy(bytes)
        const columnMajor = (at: number): number => {
          let [rest, index] = [at, 0]
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            index += (rest % shape[axis]!) * product(shape.slice(0, axis))
            rest = Math.floor(rest / shape[axis]!)
          }
          return index
        }
        expect([...data]).toEqual(Array.from({ length: size }, (_, i) => columnMajor(i)))
      }),
    )
  })

  it('of versions 2 and 3, with the entries in any order and sizes of Python 2, are read', () => {
    const header = "{'shape': (2L, 1L), 'fortran_order': False, 'descr': '|u1'}   \n"
    for (const version of [2, 3]) {
      expect(parseNpy(file(header, [3, 4], version))).toEqual({
        shape: [2, 1],
        dtype: 'int32',
        data: Int32Array.of(3, 4),
      })
    }
  })

  const wrong: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing', new Uint8Array(0), /the first bytes \(none\) are not those of an npy file/],
    ['a zip archive', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0), /the first bytes 50 4b 03 04 00 00/],
    ['an unknown version', file(dictionary('<f4'), [], 4), /version 4 in \d+ bytes/],
    [
      'a header beyond the file',
      file(dictionary('<f4')).subarray(0, 20),
      /a header of \d+ bytes does not fit into a file of 20/,
    ],
    ['a header without end', file(' '.repeat(70_000), [], 2), /a header of 70000 bytes does not fit/],
    ['no dict', file('[1, 2]'), /the header "\[1, 2\]" is not that of an array/],
    ['no shape', file("{'descr': '<f4', 'fortran_order': False, }"), /is not that of an array/],
    [
      'code in the header',
      file("{'descr': exit(), 'fortran_order': False, 'shape': ()}"),
      /is not that of an array/,
    ],
    ['something behind the dict', file(`${dictionary('<f4').trim()} + 1`), /is not that of an array/],
    ['a size below zero', file(dictionary('<f4', '(-1,)')), /is not that of an array/],
    [
      'Python objects',
      file(dictionary('|O')),
      /holds Python objects, and reading them would run what is in them/,
    ],
    [
      'records',
      file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"),
      /holds \[\('a', '<f4'\)\]; there are f8, f4/,
    ],
    ['complex numbers', file(dictionary('<c8'), [0, 0, 0, 0, 0, 0, 0, 0]), /holds '<c8'; there are f8, f4/],
    ['a type of JavaScript', file(dictionary('|constructor')), /holds '\|constructor'/],
    ['too few bytes', file(dictionary('<f4'), [1, 2, 3]), /promises \[1\] elements of 4 bytes/],
    ['bytes left over', file(dictionary('|u1'), [1, 2]), /but there are \d+/],
    [
      'a shape beyond all bounds',
      file(dictionary('|u1', `(${'9007199254740991, '.repeat(9)})`), [1]),
      /promises \[9007199254740991/,
    ],
    [
      'an unsigned number that does not fit',
      file(dictionary('<u8'), Array<number>(8).fill(255)),
      /element 0 is 18446744073709551615/,
    ],
  ]
  it.each(wrong)('with %s are one DataError', (_what, bytes, message) => {
    expect(() => parseNpy(bytes)).toThrow(DataError)
    expect(() => parseNpy(bytes)).toThrow(message)
  })

  it('cut off anywhere, or with any byte changed, are a DataError or an array', () => {
    const bytes = formatNpy(arrays['layer/weight']!)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseNpy(bytes.subarray(0, length))).toThrow(DataError)
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = bytes.slice()
        changed[at]! ^= by
        try {
          const { shape, data } = parseNpy(changed)
          expect(data).toHaveLength(product(shape))
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('cannot hold what is no array', () => {
    expect(() => formatNpy({ shape: [1], dtype: 'float32' } as unknown as NDArray)).toThrow(
      /evaluate tensors first/,
    )
    expect(() => formatNpy({ shape: [2], dtype: 'float32', data: new Float32Array(1) })).toThrow(
      'with 1 elements and shape [2] cannot be written',
    )
  })
})

/** What Python's zipfile makes of two arrays and a text: deflated, with the 64-bit sizes that numpy.savez asks for. */
const byPython = [
  'UEsDBC0AAAAIAAAAIQBP6QAq//////////8FABQAeC5ucHkBABAAmAAAAAAAAABVAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6l',
  'oG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CsaaOgq1CmQDLgYwaLAHEg5ABMQNQLzAAQBQSwMELQAAAAgA',
  'AAAhAIHtiav//////////woAFABsYWJlbHMubnB5AQAQAJgAAAAAAAAATAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mh',
  'rqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFACu/1DAgAwYGRgAUEsDBC0AAAAIAAAAIQBwTT+9////////',
  '//8KABQAcmVhZG1lLnR4dAEAEAAIAAAAAAAAAAoAAAAAAAAAy8tXSCwqSqwEAFBLAQItAy0AAAAIAAAAIQBP6QAqVQAAAJgAAAAF',
  'AAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAAIAAAAIQCB7YmrTAAAAJgAAAAKAAAAAAAAAAAAAACAAYwAAABsYWJlbHMu',
  'bnB5UEsBAi0DLQAAAAgAAAAhAHBNP70KAAAACAAAAAoAAAAAAAAAAAAAAIABFAEAAHJlYWRtZS50eHRQSwUGAAAAAAMAAwCjAAAA',
  'WgEAAAAA',
].join('')

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))

describe('npz', () => {
  it('come back as they were, packed or not, and the same arrays give the same bytes', () => {
    for (const compress of [false, true]) {
      const bytes = formatNpz(arrays, { compress })
      expect(parseNpz(bytes)).toEqual(arrays)
      expect(formatNpz(arrays, { compress })).toEqual(bytes)
    }
    const zeros: NDArray = { shape: [1000], dtype: 'float32', data: new Float32Array(1000) }
    expect(formatNpz({ zeros }, { compress: true }).length).toBeLessThan(500)
    expect(parseNpz(formatNpz({}))).toEqual({})
  })

  it('of other writers are read; files that are no arrays are left out', () => {
    expect(parseNpz(fromBase64(byPython))).toEqual({
      x: { shape: [2, 3], dtype: 'float32', data: Float32Array.of(0, 1, 2, 3, 4, 5) },
      labels: { shape: [3], dtype: 'int64', data: BigInt64Array.of(-1n, 0n, 2n ** 40n) },
    })
  })

  it('give only what is asked for', () => {
    const bytes = formatNpz(arrays)
    expect(parseNpz(bytes, { names: ['mask'] })).toEqual({ mask: arrays.mask })
    expect(() => parseNpz(bytes, { names: ['mask', 'msk'] })).toThrow(
      'there is no array "msk"; there are: layer/weight, double',
    )
  })

  it('may have any names', () => {
    const name = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('__proto__', 'a/b', '..'),
    )
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 4 }), fc.boolean(), (names, compress) => {
        const written = Object.fromEntries(names.map((each) => [each, arrays.double!]))
        const found = parseNpz(formatNpz(written, { compress }))
        expect(new Map(Object.entries(found))).toEqual(new Map(Object.entries(written)))
      }),
    )
  })

  it('that unpack to more than is allowed, or than they say, are refused before memory is taken', () => {
    const zeros: NDArray<'bool'> = { shape: [10_000_000], dtype: 'bool', data: new Uint8Array(10_000_000) }
    const bytes = formatNpz({ zeros }, { compress: true })
    expect(bytes.length).toBeLessThan(20_000)
    expect(() => parseNpz(bytes, { limit: 1e6 })).toThrow(
      /are 10000128 bytes, more than the 1000000 that are allowed/,
    )
    // The directory's entry says another size.
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const entry = bytes.length - 22 - (46 + 'zeros.npy'.length)
    view.setUint32(entry + 24, 1000, true)
    expect(() => parseNpz(bytes)).toThrow(/unpacking "zeros.npy" failed \(it is more than 1000 bytes\)/)
    view.setUint32(entry + 24, 0xfffffff0, true)
    expect(() => parseNpz(bytes)).toThrow(/"zeros.npy" can't be 4294967280 bytes packed in \d+/)
  })

  it('whose entries lie in one place are refused', () => {
    const bytes = formatNpz({ a: arrays.mask!, b: arrays.mask! })
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const second = bytes.length - 22 - (46 + 'b.npy'.length)
    view.setUint32(second + 42, 0, true)
    expect(() => parseNpz(bytes)).toThrow('two of its files lie in the same place')
  })

  it('with a changed element are noticed by the checksum', () => {
    const bytes = formatNpz({ a: arrays.labels! })
    const at = 30 + 'a.npy'.length + 128
    bytes[at]! ^= 1
    expect(() => parseNpz(bytes)).toThrow(/"a.npy" does not have the size and checksum/)
  })

  it('cut off anywhere, or with any byte changed, are a DataError or arrays', () => {
    for (const bytes of [formatNpz(arrays, { compress: true }), fromBase64(byPython)]) {
      for (let length = 0; length < bytes.length; length += 3) {
        expect(() => parseNpz(bytes.subarray(0, length))).toThrow(DataError)
      }
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
          const changed = bytes.slice()
          changed[at]! ^= by
          try {
            for (const { shape, data } of Object.values(parseNpz(changed))) {
              expect(data).toHaveLength(product(shape))
            }
          } catch (error) {
            expect(error).toBeInstanceOf(DataError)
          }
        }),
        { numRuns: 1000 },
      )
    }
  })

  it('lie on disk whole, or not at all', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'npz-'))
    try {
      await writeNpz(join(folder, 'a.npz'), arrays, { compress: true })
      await writeNpy(join(folder, 'a.npy'), arrays.double!)
      expect(await readNpz(join(folder, 'a.npz'), { names: ['step'] })).toEqual({ step: arrays.step })
      expect(await readNpy(join(folder, 'a.npy'))).toEqual(arrays.double)
      expect((await readdir(folder)).sort()).toEqual(['a.npy', 'a.npz'])
      await expect(readNpz(join(folder, 'b.npz'))).rejects.toThrow(/readNpz: .*b.npz cannot be read/)
      await expect(readNpz(join(folder, 'a.npy'))).rejects.toThrow(/have no directory at their end/)
      await expect(writeNpy(join(folder, 'no', 'x'), arrays.double!)).rejects.toThrow(/cannot be written/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
