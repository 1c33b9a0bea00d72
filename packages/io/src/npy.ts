/**
 * @file Npy, NumPy's format of one array: a magic word, a version, the length of a header, the header – a dict as Python writes
 * it – and the elements. Arrays of Python objects are refused: to read them is to run what is in them.
 */
import { DataError, type DataOf, type DType, type NDArray } from '@beyondgrad/tensor'
import { readBytes, writeBytes } from './file.ts'
import { halfPrecision } from './half-precision.ts'

/** Element types that a file may hold; a number in the name is the width in bytes, as NumPy writes it. */
interface ElementType {
  readonly width: number
  readonly dtype: DType
  readonly read: (view: DataView, at: number, little: boolean) => number | bigint
}

const elementTypes: Readonly<Record<string, ElementType>> = {
  f8: { width: 8, dtype: 'float64', read: (view, at, little) => view.getFloat64(at, little) },
  f4: { width: 4, dtype: 'float32', read: (view, at, little) => view.getFloat32(at, little) },
  f2: { width: 2, dtype: 'float32', read: (view, at, little) => halfPrecision(view.getUint16(at, little)) },
  i8: { width: 8, dtype: 'int64', read: (view, at, little) => view.getBigInt64(at, little) },
  i4: { width: 4, dtype: 'int32', read: (view, at, little) => view.getInt32(at, little) },
  i2: { width: 2, dtype: 'int32', read: (view, at, little) => view.getInt16(at, little) },
  i1: { width: 1, dtype: 'int32', read: (view, at) => view.getInt8(at) },
  u8: { width: 8, dtype: 'int64', read: (view, at, little) => view.getBigUint64(at, little) },
  u4: { width: 4, dtype: 'int64', read: (view, at, little) => BigInt(view.getUint32(at, little)) },
  u2: { width: 2, dtype: 'int32', read: (view, at, little) => view.getUint16(at, little) },
  u1: { width: 1, dtype: 'int32', read: (view, at) => view.getUint8(at) },
  b1: { width: 1, dtype: 'bool', read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
}

/** Those whose bytes are what an array of ours has in memory. */
const viewable: readonly string[] = ['f8', 'f4', 'i8', 'i4']

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
/** A real header has some hundred bytes. */
const longestHeader = 65_536
/** NumPy has its elements begin at a multiple of this. */
const alignment = 64
const mostInt64 = 2n ** 63n - 1n

interface Header {
  /** As `f4`. */
  readonly code: string
  readonly type: ElementType
  readonly little: boolean
  readonly fortran: boolean
  readonly shape: readonly number[]
  readonly size: number
  /** Where the elements begin. */
  readonly start: number
}

/**
 * Reads an npy file. Half precision becomes single, small integers 32 bits, unsigned ones what holds them. Little-endian elements of
 * 32 and 64 bits in row-major order are not copied where they are aligned: the array is then a view of the bytes.
 *
 * @throws DataError if the bytes are not exactly what such a file must be
 */
export function parseNpy(bytes: Uint8Array): NDArray<DType> {
  return decodeNpy('parseNpy', bytes)
}

/** Reads an npy file from disk. Node only; elsewhere fetch the bytes and use `parseNpy`. */
export async function readNpy(path: string | URL): Promise<NDArray<DType>> {
  const bytes = await readBytes('readNpy', path, 'fetch the bytes and give them to parseNpy')
  return decodeNpy(`readNpy: ${path}`, bytes)
}

/** The bytes of an npy file. Double-precision data of a float32 array is written as such, so that nothing is lost. */
export function formatNpy(array: NDArray<DType>): Uint8Array {
  return encodeNpy('formatNpy', array)
}

/** Writes an npy file; the old one stays until the new one is whole. Node only. */
export async function writeNpy(path: string | URL, array: NDArray<DType>): Promise<void> {
  const bytes = encodeNpy('writeNpy', array)
  await writeBytes('writeNpy', path, bytes, 'use formatNpy, and offer the bytes as a download')
}

export function decodeNpy(where: string, bytes: Uint8Array): NDArray<DType> {
  const header = parseHeader(where, bytes)
  const { type, shape, size, start, fortran } = header
  const end = start + size * type.width
  if (bytes.length !== end) {
    throw new DataError(
      `${where}: the header promises [${shape.slice(0, 8).join(', ')}] elements of ${type.width} bytes, ${end} bytes in all, but there are ${bytes.length}: the file is damaged, get it again`,
    )
  }
  const data = viewOf(bytes, header) ?? readElements(where, bytes, header)
  return { shape, dtype: type.dtype, data: fortran ? rowMajor(data, shape) : data }
}

function parseHeader(where: string, bytes: Uint8Array): Header {
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    const first = Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    throw new DataError(
      `${where}: the first bytes ${first || '(none)'} are not those of an npy file (93 4e 55 4d 50 59): check that it is the right file`,
    )
  }
  const version = bytes[6] ?? 0
  const begin = version === 1 ? 10 : 12
  if (version < 1 || version > 3 || bytes.length < begin) {
    throw new DataError(
      `${where}: version ${version} in ${bytes.length} bytes is no npy file of version 1, 2 or 3: the file is damaged, get it again`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > Math.min(bytes.length - begin, longestHeader)) {
    throw new DataError(
      `${where}: a header of ${length} bytes does not fit into a file of ${bytes.length}: the file is damaged, get it again`,
    )
  }
  const text = new TextDecoder().decode(bytes.subarray(begin, begin + length))
  return { ...parseDictionary(where, text), start: begin + length }
}

/** The header's dict: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, in any order. */
function parseDictionary(where: string, text: string): Omit<Header, 'start'> {
  const values = new Map<string, string>()
  const entry = /\s*'(\w+)'\s*:\s*('[^']*'|True|False|\([\d\sL,]*\)|\[.*?\])\s*(?:,|(?=\s*\}\s*$))/y
  const body = text.trim()
  entry.lastIndex = 1
  let at = 1
  for (let found = entry.exec(body); found !== null; found = entry.exec(body)) {
    values.set(found[1]!, found[2]!)
    at = entry.lastIndex
  }
  const isWhole = body.startsWith('{') && body.slice(at).trim() === '}'
  const shape = shapeOf(values.get('shape'))
  const order = values.get('fortran_order')
  const descr = values.get('descr')
  if (!isWhole || shape === undefined || descr === undefined || (order !== 'True' && order !== 'False')) {
    throw new DataError(
      `${where}: the header ${JSON.stringify(text.slice(0, 100))} is not that of an array (descr, fortran_order, shape): the file is damaged, get it again`,
    )
  }
  const [, byteOrder = '', code = ''] = /^'([<>|=])(\w+)'$/.exec(descr) ?? []
  const type = Object.hasOwn(elementTypes, code) ? elementTypes[code] : undefined
  if (type === undefined) {
    const why = code.startsWith('O')
      ? 'Python objects, and reading them would run what is in them; save numbers'
      : `${descr.slice(0, 40)}; there are ${Object.keys(elementTypes).join(', ')}: convert it with astype before it is saved`
    throw new DataError(`${where}: the array holds ${why}`)
  }
  // A hostile header can make the product infinite, and Infinity * 0 is no number.
  const size = shape.includes(0) ? 0 : shape.reduce((product, axis) => product * axis, 1)
  return { code, type, little: byteOrder !== '>', fortran: order === 'True', shape, size }
}

/** Sizes in a tuple, as `(2, 3)`, `(2,)`, `()`, or `(2L,)` of Python 2. */
function shapeOf(tuple: string | undefined): readonly number[] | undefined {
  if (!tuple?.startsWith('(')) return undefined
  const inside = tuple.slice(1, -1).trim().replace(/,$/, '')
  if (inside === '') return []
  const sizes = inside.split(',').map((text) => (/^\s*\d+L?\s*$/.test(text) ? parseInt(text, 10) : NaN))
  return sizes.every(Number.isSafeInteger) ? sizes : undefined
}

function viewOf(bytes: Uint8Array, { code, little, size, start }: Header): DataOf<DType> | undefined {
  if (!little || !viewable.includes(code) || !isLittleEndianHere()) return undefined
  const from = bytes.byteOffset + start
  const buffer = bytes.buffer as ArrayBuffer
  if (from % Number(code[1]) !== 0) return undefined
  switch (code) {
    case 'f8':
      return new Float64Array(buffer, from, size)
    case 'f4':
      return new Float32Array(buffer, from, size)
    case 'i8':
      return new BigInt64Array(buffer, from, size)
    default:
      return new Int32Array(buffer, from, size)
  }
}

function isLittleEndianHere(): boolean {
  return new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
}

function arrayFor(dtype: DType, size: number): DataOf<DType> {
  switch (dtype) {
    case 'float32':
      return new Float32Array(size)
    case 'float64':
      return new Float64Array(size)
    case 'int32':
      return new Int32Array(size)
    case 'int64':
      return new BigInt64Array(size)
    case 'bool':
      return new Uint8Array(size)
  }
}

function readElements(where: string, bytes: Uint8Array, header: Header): DataOf<DType> {
  const { code, type, little, size, start } = header
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const data = arrayFor(type.dtype, size) as { [i: number]: number | bigint }
  for (let i = 0, at = start; i < size; i++, at += type.width) {
    const value = type.read(view, at, little)
    if (code === 'u8' && (value as bigint) > mostInt64) {
      throw new DataError(`${where}: element ${i} is ${value}, which does not fit into 64 bits with a sign`)
    }
    data[i] = value
  }
  return data as DataOf<DType>
}

/** Elements in column-major order, brought in row-major order. */
function rowMajor(data: DataOf<DType>, shape: readonly number[]): DataOf<DType> {
  if (data.length === 0) return data
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1))
  const source = data as { readonly [i: number]: number | bigint }
  const result = new (data.constructor as new (size: number) => DataOf<DType>)(data.length)
  const target = result as { [i: number]: number | bigint }
  const index = shape.map(() => 0)
  for (let i = 0, from = 0; i < data.length; i++) {
    target[i] = source[from]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++
      from += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return result
}

export function encodeNpy(where: string, { shape, data }: NDArray<DType>): Uint8Array {
  const size = shape.reduce((product, axis) => product * axis, 1)
  if (!ArrayBuffer.isView(data) || size !== data.length) {
    throw new DataError(
      `${where}: an array with ${String((data as Partial<DataOf<DType>> | undefined)?.length)} elements and shape [${shape.join(', ')}] cannot be written; evaluate tensors first`,
    )
  }
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dictionary = `{'descr': '${codeOf(data)}', 'fortran_order': False, 'shape': (${sizes}), }`
  const start = Math.ceil((10 + dictionary.length + 1) / alignment) * alignment
  const bytes = new Uint8Array(start + data.byteLength)
  bytes.set([...magic, 1, 0])
  const view = new DataView(bytes.buffer)
  view.setUint16(8, start - 10, true)
  bytes.set(new TextEncoder().encode(`${dictionary.padEnd(start - 11)}\n`), 10)
  writeElements(view, start, data)
  return bytes
}

function codeOf(data: DataOf<DType>): string {
  if (data instanceof Float32Array) return '<f4'
  if (data instanceof Float64Array) return '<f8'
  if (data instanceof Int32Array) return '<i4'
  return data instanceof BigInt64Array ? '<i8' : '|b1'
}

function writeElements(view: DataView, start: number, data: DataOf<DType>): void {
  if (isLittleEndianHere()) {
    new Uint8Array(view.buffer, start).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return
  }
  const width = data.BYTES_PER_ELEMENT
  for (let i = 0, at = start; i < data.length; i++, at += width) {
    if (data instanceof Float32Array) view.setFloat32(at, data[i]!, true)
    else if (data instanceof Float64Array) view.setFloat64(at, data[i]!, true)
    else if (data instanceof Int32Array) view.setInt32(at, data[i]!, true)
    else if (data instanceof BigInt64Array) view.setBigInt64(at, data[i]!, true)
    else view.setUint8(at, data[i]!)
  }
}
