/**
 * @file Safetensors, the format of model weights: the length of a header as 64 bits, the header as JSON, and the tensors'
 * elements, row-major and little-endian. Nothing of a file is executed, and nothing is believed before it is checked.
 */
import { type AnyTensor, DataError, type DataOf, type DType, type NDArray } from '@beyondgrad/tensor'
import { brainFloat, halfPrecision } from './half-precision.ts'
import { readBytes, reason, writeBytes } from './file.ts'

/** Arrays by their names. */
export type NamedArrays = Readonly<Record<string, NDArray<DType>>>

/** A header is no longer than this; a real one has some 100 bytes a tensor. */
const longestHeader = 100_000_000

interface ElementType {
  readonly width: number
  readonly dtype: DType
  readonly read: (view: DataView, at: number) => number | bigint
}

const number = (width: number, dtype: DType, read: ElementType['read']): ElementType => ({
  width,
  dtype,
  read,
})

/** What a file can hold, and what becomes of it: the nearest element type that holds every value. */
const elementTypes: Readonly<Record<string, ElementType>> = {
  F64: number(8, 'float64', (view, at) => view.getFloat64(at, true)),
  F32: number(4, 'float32', (view, at) => view.getFloat32(at, true)),
  F16: number(2, 'float32', (view, at) => halfPrecision(view.getUint16(at, true))),
  BF16: number(2, 'float32', (view, at) => brainFloat(view.getUint16(at, true))),
  I64: number(8, 'int64', (view, at) => view.getBigInt64(at, true)),
  I32: number(4, 'int32', (view, at) => view.getInt32(at, true)),
  I16: number(2, 'int32', (view, at) => view.getInt16(at, true)),
  I8: number(1, 'int32', (view, at) => view.getInt8(at)),
  U32: number(4, 'int64', (view, at) => BigInt(view.getUint32(at, true))),
  U16: number(2, 'int32', (view, at) => view.getUint16(at, true)),
  U8: number(1, 'int32', (view, at) => view.getUint8(at)),
  BOOL: number(1, 'bool', (view, at) => (view.getUint8(at) === 0 ? 0 : 1)),
}

interface Entry {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly size: number
  readonly start: number
  readonly end: number
}

/**
 * The arrays in a safetensors file, in the order of their bytes. Half precision becomes single, small integers 32 bits.
 *
 * @throws DataError if the bytes are not exactly what such a file must be
 */
export function parseSafetensors(bytes: Uint8Array): NamedArrays {
  return decode('parseSafetensors', bytes)
}

/** Reads a safetensors file from disk. Node only; elsewhere fetch the bytes and use `parseSafetensors`. */
export async function readSafetensors(path: string | URL): Promise<NamedArrays> {
  const bytes = await readBytes('readSafetensors', path, 'fetch the bytes and give them to parseSafetensors')
  return decode(`readSafetensors: ${path}`, bytes)
}

/** Writes arrays to a safetensors file; the old file stays until the new one is whole. Node only. */
export async function writeSafetensors(
  path: string | URL,
  arrays: NamedArrays,
  options: SafetensorsOptions = {},
): Promise<void> {
  const bytes = formatSafetensors(arrays, options)
  await writeBytes(
    'writeSafetensors',
    path,
    bytes,
    'use formatSafetensors, and offer the bytes as a download',
  )
}

export interface SafetensorsOptions {
  /** Texts that the file carries along. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** The texts that a file carries along; none if there are none. */
export function safetensorsMetadata(bytes: Uint8Array): Readonly<Record<string, string>> {
  const { metadata } = parseHeader('safetensorsMetadata', bytes)
  return metadata
}

/** The bytes of a safetensors file. Double-precision data of a float32 array is written as such, so that nothing is lost. */
export function formatSafetensors(arrays: NamedArrays, { metadata }: SafetensorsOptions = {}): Uint8Array {
  const header: [string, unknown][] = metadata === undefined ? [] : [['__metadata__', metadata]]
  let end = 0
  const parts = Object.entries(arrays).map(([name, array]) => {
    const { shape, data } = checked(name, array)
    const start = end
    end += data.byteLength
    header.push([name, { dtype: typeName(data), shape, data_offsets: [start, end] }])
    return { data, start }
  })
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  // Elements begin at a multiple of eight, so that readers can map them.
  const length = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + length + end).fill(0x20, 8 + json.length, 8 + length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(length), true)
  bytes.set(json, 8)
  for (const { data, start } of parts) writeElements(view, 8 + length + start, data)
  return bytes
}

function checked(name: string, array: NDArray<DType> | AnyTensor): NDArray<DType> {
  if (!('data' in array) || !ArrayBuffer.isView(array.data)) {
    throw new DataError(
      `formatSafetensors: "${name}" is no array with data; evaluate tensors first, or take stateOf(model)`,
    )
  }
  const size = array.shape.reduce((product, axis) => product * axis, 1)
  if (size !== array.data.length || name === '__metadata__') {
    throw new DataError(
      `formatSafetensors: "${name}" with ${array.data.length} elements and shape [${array.shape.join(', ')}] cannot be written`,
    )
  }
  return array
}

function typeName(data: DataOf<DType>): string {
  if (data instanceof Float32Array) return 'F32'
  if (data instanceof Float64Array) return 'F64'
  if (data instanceof Int32Array) return 'I32'
  return data instanceof BigInt64Array ? 'I64' : 'BOOL'
}

function writeElements(view: DataView, start: number, data: DataOf<DType>): void {
  const width = data.BYTES_PER_ELEMENT
  for (let i = 0, at = start; i < data.length; i++, at += width) {
    if (data instanceof Float32Array) view.setFloat32(at, data[i]!, true)
    else if (data instanceof Float64Array) view.setFloat64(at, data[i]!, true)
    else if (data instanceof Int32Array) view.setInt32(at, data[i]!, true)
    else if (data instanceof BigInt64Array) view.setBigInt64(at, data[i]!, true)
    else view.setUint8(at, data[i]!)
  }
}

function decode(where: string, bytes: Uint8Array): NamedArrays {
  const { entries, start } = parseHeader(where, bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset + start)
  // Not an object literal: a tensor may be called "__proto__".
  return Object.fromEntries(entries.map((entry) => [entry.name, arrayOf(entry, view)]))
}

function arrayOf({ type, shape, size, start }: Entry, view: DataView): NDArray<DType> {
  const { dtype, width, read } = type
  const data = {
    float32: () => new Float32Array(size),
    float64: () => new Float64Array(size),
    int32: () => new Int32Array(size),
    int64: () => new BigInt64Array(size),
    bool: () => new Uint8Array(size),
  }[dtype]() as { [i: number]: number | bigint }
  for (let i = 0; i < size; i++) data[i] = read(view, start + i * width)
  return { shape, dtype, data: data as never }
}

interface Header {
  /** In the order of their bytes. */
  readonly entries: readonly Entry[]
  readonly metadata: Readonly<Record<string, string>>
  /** Where the elements begin. */
  readonly start: number
}

function parseHeader(where: string, bytes: Uint8Array): Header {
  const damaged: Complaint = (what, so = 'the file is damaged or no safetensors file') =>
    new DataError(`${where}: ${what}: ${so}`)
  if (bytes.length < 8) throw damaged(`${bytes.length} bytes do not hold the length of a header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getBigUint64(0, true)
  if (length > BigInt(Math.min(bytes.length - 8, longestHeader))) {
    throw damaged(`a header of ${length} bytes does not fit into a file of ${bytes.length}`)
  }
  const start = 8 + Number(length)
  const header = parseJson(bytes.subarray(8, start), damaged)
  const { __metadata__: metadata = {}, ...tensors } = header
  const available = bytes.length - start
  const entries = Object.entries(tensors)
    .map(([name, value]) => entryOf(name, value, available, damaged))
    .sort((a, b) => a.start - b.start || a.end - b.end)
  let end = 0
  for (const entry of entries) {
    if (entry.start !== end) throw damaged(`the bytes of "${entry.name}" do not follow those before it`)
    end = entry.end
  }
  if (end !== available)
    throw damaged(`the header describes ${end} bytes of elements, but there are ${available}`)
  if (!isObject(metadata) || !Object.values(metadata).every((text) => typeof text === 'string')) {
    throw damaged('its metadata are not texts')
  }
  return { entries, metadata: metadata as Readonly<Record<string, string>>, start }
}

/** Makes the error that says what is wrong with this file. */
type Complaint = (what: string, so?: string) => DataError

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function parseJson(bytes: Uint8Array, damaged: Complaint): Readonly<Record<string, unknown>> {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw damaged(`its header is not JSON (${reason(error).slice(0, 100)})`)
  }
  if (!isObject(header)) throw damaged('its header is not an object')
  return header
}

function entryOf(name: string, value: unknown, available: number, damaged: Complaint): Entry {
  const what = JSON.stringify(name.slice(0, 100))
  if (!isObject(value)) throw damaged(`the header has no description of ${what}`)
  const { dtype, shape, data_offsets: offsets } = value
  const type =
    typeof dtype === 'string' && Object.hasOwn(elementTypes, dtype) ? elementTypes[dtype] : undefined
  if (type === undefined) {
    const kind = String(JSON.stringify(dtype)).slice(0, 40)
    throw damaged(`${what} holds ${kind}`, `there are ${Object.keys(elementTypes).join(', ')}`)
  }
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0
  if (!Array.isArray(shape) || !shape.every(isCount)) throw damaged(`${what} has no shape`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw damaged(`${what} has no place`)
  }
  const [start, end] = offsets as [number, number]
  // A hostile header can make the product infinite, and Infinity * 0 is no number.
  const size = shape.includes(0) ? 0 : shape.reduce((product, axis) => product * axis, 1)
  if (start > end || end > available || end - start !== size * type.width) {
    throw damaged(
      `${what} of shape [${shape.slice(0, 8).join(', ')}] does not lie from byte ${start} to ${end} of ${available}`,
    )
  }
  return { name, type, shape, size, start, end }
}
