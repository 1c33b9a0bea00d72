/** @file IDX files: the bytes of the format's description, files of our own writing, and damaged ones. */

import { DataError, type NDArray } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { parseIdx, readIdx, type IdxDType } from '../src/index.ts'

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

const writers = {
  0x08: { width: 1, write: (view: DataView, at: number, value: number) => view.setUint8(at, value) },
  0x09: { width: 1, write: (view: DataView, at: number, value: number) => view.setInt8(at, value) },
  0x0b: { width: 2, write: (view: DataView, at: number, value: number) => view.setInt16(at, value) },
  0x0c: { width: 4, write: (view: DataView, at: number, value: number) => view.setInt32(at, value) },
  0x0d: { width: 4, write: (view: DataView, at: number, value: number) => view.setFloat32(at, value) },
  0x0e: { width: 8, write: (view: DataView, at: number, value: number) => view.setFloat64(at, value) },
}
type TypeCode = keyof typeof writers

function writeIdx(code: TypeCode, shape: readonly number[], values: readonly number[]): Uint8Array {
  const { width, write } = writers[code]
  const start = 4 + 4 * shape.length
  const bytes = new Uint8Array(start + width * values.length)
  bytes.set([0, 0, code, shape.length])
  const view = new DataView(bytes.buffer)
  shape.forEach((size, axis) => view.setUint32(4 + 4 * axis, size))
  values.forEach((value, i) => write(view, start + width * i, value))
  return bytes
}

const labels = hex('00000801 00000004 07020100')

describe('parseIdx', () => {
  it.each([
    ['unsigned bytes', '00000801 00000003 00 7f ff', 'int32', [0, 127, 255]],
    ['signed bytes', '00000901 00000003 00 7f ff', 'int32', [0, 127, -1]],
    ['int16', '00000b01 00000002 0102 fffe', 'int32', [258, -2]],
    ['int32', '00000c01 00000002 00010000 80000000', 'int32', [65536, -(2 ** 31)]],
    ['float32', '00000d01 00000002 3f800000 c0200000', 'float32', [1, -2.5]],
    ['float64', '00000e01 00000002 3ff0000000000000 3fb999999999999a', 'float64', [1, 0.1]],
  ])('reads %s, big-endian', async (_name, bytes, dtype, values) => {
    const array = await parseIdx(hex(bytes))
    expect(array).toMatchObject({ shape: [values.length], dtype })
    expect(Array.from<number | bigint>(array.data)).toEqual(values)
  })

  it('reads several axes, no axis, and axes without elements', async () => {
    expect(await parseIdx(hex('00000803 00000001 00000002 00000003 010203040506'))).toEqual({
      shape: [1, 2, 3],
      dtype: 'int32',
      data: Int32Array.of(1, 2, 3, 4, 5, 6),
    })
    expect(await parseIdx(hex('00000800 05'))).toEqual({ shape: [], dtype: 'int32', data: Int32Array.of(5) })
    expect((await parseIdx(hex('00000802 00000000 00000005'))).shape).toEqual([0, 5])
  })

  it('reads a part of a larger buffer', async () => {
    const inside = new Uint8Array([9, 9, 9, ...labels, 9]).subarray(3, 3 + labels.length)
    expect((await parseIdx(inside)).data).toEqual(Int32Array.of(7, 2, 1, 0))
  })

  it('makes the dtype that is asked for, scaled', async () => {
    const images = await parseIdx(hex('00000801 00000002 00 ff'), { dtype: 'float32', scale: 1 / 255 })
    expectTypeOf(images).toEqualTypeOf<NDArray<'float32'>>()
    expect(images).toEqual({ shape: [2], dtype: 'float32', data: Float32Array.of(0, 1) })
    const classes = await parseIdx(labels, { dtype: 'int64' })
    expectTypeOf(classes.data).toEqualTypeOf<BigInt64Array>()
    expect(classes.data).toEqual(BigInt64Array.of(7n, 2n, 1n, 0n))
    expectTypeOf(await parseIdx(labels)).toEqualTypeOf<NDArray<IdxDType>>()
  })

  it('reads gzip, in several members too', async () => {
    const half = labels.length / 2
    const members = [labels.subarray(0, half), labels.subarray(half)].map((part) => gzipSync(part))
    expect(await parseIdx(gzipSync(labels))).toEqual(await parseIdx(labels))
    expect(await parseIdx(Buffer.concat(members))).toEqual(await parseIdx(labels))
  })

  it('reads whatever is written', async () => {
    const bounds = { 0x08: [0, 255], 0x09: [-128, 127], 0x0b: [-(2 ** 15), 2 ** 15 - 1] } as const
    const element = (code: TypeCode): fc.Arbitrary<number> => {
      if (code === 0x0d) return fc.float()
      if (code === 0x0e) return fc.double()
      const [min, max] = code === 0x0c ? [-(2 ** 31), 2 ** 31 - 1] : bounds[code]
      return fc.integer({ min, max })
    }
    const file = fc
      .tuple(
        fc.constantFrom<TypeCode>(0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e),
        fc.array(fc.nat(4), { maxLength: 4 }),
      )
      .chain(([code, shape]) => {
        const size = shape.reduce((product, axis) => product * axis, 1)
        const values = fc.array(element(code), { minLength: size, maxLength: size })
        return fc.record({ code: fc.constant(code), shape: fc.constant(shape), values })
      })
    await fc.assert(
      fc.asyncProperty(file, fc.boolean(), async ({ code, shape, values }, packed) => {
        const bytes = writeIdx(code, shape, values)
        const array = await parseIdx(packed ? gzipSync(bytes) : bytes)
        expect(array.shape).toEqual(shape)
        expect(Array.from<number | bigint>(array.data)).toEqual(values)
      }),
    )
  })
})

describe('damaged and hostile files', () => {
  it('cut off at any byte are a DataError', async () => {
    const bytes = writeIdx(0x0b, [2, 3], [1, 2, 3, 4, 5, 6])
    for (const whole of [bytes, new Uint8Array(gzipSync(bytes))]) {
      for (let length = 0; length < whole.length; length++) {
        const error: unknown = await parseIdx(whole.subarray(0, length)).catch((caught: unknown) => caught)
        expect(error, `${length} of ${whole.length} bytes`).toBeInstanceOf(DataError)
      }
    }
  })

  it.each([
    ['bytes behind the end', '00000801 00000001 01 02', /10 bytes|9 bytes in all, but there are more/],
    ['a text', '3c68746d6c3e', /first bytes 3c 68 74 6d .* check that it is the right file/],
    ['an unknown type', '00000a01 00000001 01', /first bytes 00 00 0a 01/],
    ['nothing', '', /0 bytes are no IDX file/],
    ['sizes beyond memory', `000008ff ${'ffffffff'.repeat(255)} 00`, /Infinity bytes in all/],
    ['a size of 0 among huge ones', `000008ff ${'ffffffff'.repeat(254)} 00000000 00`, /are more/],
  ])('%s', async (_name, bytes, message) => {
    for (const form of [hex(bytes), gzipSync(hex(bytes))]) {
      await expect(parseIdx(form)).rejects.toThrow(DataError)
      await expect(parseIdx(form)).rejects.toThrow(message)
    }
  })

  it('that unpack to far more than they promise are stopped', async () => {
    const bomb = gzipSync(Buffer.concat([labels, Buffer.alloc(20_000_000)]))
    // Whoever reads to the end finds the wrong checksum there.
    bomb.fill(0, bomb.length - 8)
    await expect(parseIdx(bomb)).rejects.toThrow(/12 bytes in all, but there are more/)
  })

  it('conversions that lose something', async () => {
    const floats = writeIdx(0x0d, [1], [1.5])
    await expect(parseIdx(floats, { dtype: 'int32' })).rejects.toThrow(/holds float32, .* ask for float32/)
    await expect(parseIdx(labels, { scale: 2 })).rejects.toThrow(/scale 2 cannot act on int32/)
  })
})

describe('readIdx', () => {
  it('reads files by path and by URL, and names the ones it cannot read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'beyondgrad-idx-'))
    try {
      const path = join(folder, 'labels-idx1-ubyte.gz')
      await writeFile(path, gzipSync(labels))
      expect((await readIdx(path)).data).toEqual(Int32Array.of(7, 2, 1, 0))
      expect((await readIdx(pathToFileURL(path), { dtype: 'int64' })).shape).toEqual([4])

      const missing = join(folder, 'missing')
      await expect(readIdx(missing)).rejects.toThrow(DataError)
      await expect(readIdx(missing)).rejects.toThrow(/missing cannot be read \(ENOENT.*\): check the path/)
      await writeFile(path, labels.subarray(0, 9))
      await expect(readIdx(path)).rejects.toThrow(
        /labels-idx1-ubyte\.gz: the header promises .* get it again/,
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
