/**
 * @file IDX, the format of the MNIST files: two zero bytes, a byte for the element type, a byte for the rank, the sizes as
 * 32-bit numbers, the elements row-major; everything big-endian.
 */

import { DataError, type DataOf, type DType, type NDArray } from '@beyondgrad/tensor'
import { readBytes, reason } from './file.ts'
import { gunzip, isGzip } from './gzip.ts'

/** What an IDX file can become. */
export type IdxDType = Exclude<DType, 'bool'>

export interface IdxOptions<D extends IdxDType = IdxDType> {
  /** Wanted element type. Default: the nearest one, `int32` for the integers of up to 32 bits. Floats only become floats. */
  readonly dtype?: D
  /** Factor on every element, for float dtypes: `1 / 255` makes grey values of bytes. */
  readonly scale?: number
}

interface ElementType {
  readonly width: number
  readonly nearest: IdxDType
  readonly read: (view: DataView, offset: number) => number
}

function elementType(code: number): ElementType | undefined {
  switch (code) {
    case 0x08:
      return { width: 1, nearest: 'int32', read: (view, offset) => view.getUint8(offset) }
    case 0x09:
      return { width: 1, nearest: 'int32', read: (view, offset) => view.getInt8(offset) }
    case 0x0b:
      return { width: 2, nearest: 'int32', read: (view, offset) => view.getInt16(offset) }
    case 0x0c:
      return { width: 4, nearest: 'int32', read: (view, offset) => view.getInt32(offset) }
    case 0x0d:
      return { width: 4, nearest: 'float32', read: (view, offset) => view.getFloat32(offset) }
    case 0x0e:
      return { width: 8, nearest: 'float64', read: (view, offset) => view.getFloat64(offset) }
    default:
      return undefined
  }
}

interface Header {
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly size: number
  /** Where the elements start. */
  readonly start: number
  /** Length of the whole file; may be far beyond any real file when the header lies. */
  readonly end: number
}

/** Reads an IDX file, plain or gzipped. */
export function parseIdx<D extends IdxDType>(
  bytes: Uint8Array,
  options: IdxOptions<D> & { readonly dtype: D },
): Promise<NDArray<D>>
export function parseIdx(bytes: Uint8Array, options?: IdxOptions): Promise<NDArray<IdxDType>>
export async function parseIdx(bytes: Uint8Array, options: IdxOptions = {}): Promise<NDArray<IdxDType>> {
  return decode('parseIdx', bytes, options)
}

/** Reads an IDX file from disk, plain or gzipped. Node only; elsewhere fetch the bytes and use `parseIdx`. */
export function readIdx<D extends IdxDType>(
  path: string | URL,
  options: IdxOptions<D> & { readonly dtype: D },
): Promise<NDArray<D>>
export function readIdx(path: string | URL, options?: IdxOptions): Promise<NDArray<IdxDType>>
export async function readIdx(path: string | URL, options: IdxOptions = {}): Promise<NDArray<IdxDType>> {
  const bytes = await readBytes('readIdx', path, 'fetch the bytes and give them to parseIdx')
  return decode(`readIdx: ${path}`, bytes, options)
}

async function decode(where: string, bytes: Uint8Array, options: IdxOptions): Promise<NDArray<IdxDType>> {
  const plain = isGzip(bytes) ? await unpack(where, bytes) : bytes
  const header = parseHeader(where, plain)
  if (plain.length !== header.end) {
    const shape = `${header.type.nearest} elements of ${header.type.width} bytes in the shape [${header.shape.join(', ')}]`
    throw new DataError(
      `${where}: the header promises ${shape}, ${header.end} bytes in all, but there are ${
        plain.length > header.end ? 'more' : plain.length
      }: the file is damaged, get it again`,
    )
  }
  const dtype = chooseDType(where, header.type, options)
  return { shape: header.shape, dtype, data: readElements(plain, header, dtype, options.scale) }
}

/** Unpacks no more than the header inside asks for, and one chunk: a small file may unpack to gigabytes. */
async function unpack(where: string, bytes: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  let end: number | undefined
  try {
    for await (const chunk of gunzip(bytes)) {
      chunks.push(chunk)
      length += chunk.length
      if (end === undefined) {
        const head = concatenate(chunks, length)
        // The error of a wrong header need not wait for the rest.
        if (head.length >= headerLength(head)) end = parseHeader(where, head).end
      }
      if (end !== undefined && length > end) break
    }
  } catch (error) {
    if (error instanceof DataError) throw error
    throw new DataError(
      `${where}: unpacking failed (${reason(error)}): the gzip file is damaged, get it again`,
    )
  }
  return concatenate(chunks, length)
}

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const result = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    result.set(chunk, offset)
    offset += chunk.length
  }
  return result
}

function headerLength(bytes: Uint8Array): number {
  return 4 + 4 * (bytes[3] ?? 0)
}

function parseHeader(where: string, bytes: Uint8Array): Header {
  const start = headerLength(bytes)
  const type = elementType(bytes[2] ?? -1)
  if (bytes.length >= 4 && (bytes[0] !== 0 || bytes[1] !== 0 || type === undefined)) {
    const first = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    throw new DataError(
      `${where}: the first bytes ${first} are not those of an IDX file (00 00, type 08, 09, 0b, 0c, 0d or 0e, rank): check that it is the right file`,
    )
  }
  if (type === undefined || bytes.length < start) {
    throw new DataError(
      `${where}: ${bytes.length} bytes are no IDX file, whose header alone takes ${start}: the file is cut off, get it again`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: view.getUint8(3) }, (_, axis) => view.getUint32(4 + 4 * axis))
  // A hostile header can make the product infinite, and Infinity * 0 is no number.
  const size = shape.includes(0) ? 0 : shape.reduce((product, axis) => product * axis, 1)
  return { type, shape, size, start, end: start + size * type.width }
}

function isFloat(dtype: IdxDType): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

function chooseDType(where: string, type: ElementType, { dtype, scale }: IdxOptions): IdxDType {
  const chosen = dtype ?? type.nearest
  if (isFloat(type.nearest) && !isFloat(chosen)) {
    throw new DataError(
      `${where}: the file holds ${type.nearest}, which would lose its fractions as ${chosen}: ask for float32 or float64`,
    )
  }
  if (scale !== undefined && !isFloat(chosen)) {
    throw new DataError(`${where}: scale ${scale} cannot act on ${chosen}: ask for float32 or float64`)
  }
  return chosen
}

function readElements(bytes: Uint8Array, header: Header, dtype: IdxDType, scale = 1): DataOf<IdxDType> {
  const { size, start } = header
  const { width, read } = header.type
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (dtype === 'int64') {
    const data = new BigInt64Array(size)
    for (let i = 0; i < size; i++) data[i] = BigInt(read(view, start + i * width))
    return data
  }
  const data =
    dtype === 'float32'
      ? new Float32Array(size)
      : dtype === 'float64'
        ? new Float64Array(size)
        : new Int32Array(size)
  for (let i = 0; i < size; i++) data[i] = read(view, start + i * width) * scale
  return data
}
