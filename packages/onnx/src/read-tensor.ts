/**
 * @file Tensors of a file as arrays: every element type that has a dtype to become, from raw bytes, typed fields or a second
 * file. Sizes are held against the bytes that are there before anything is allocated.
 */

import { fromBinary } from '@bufbuild/protobuf'
import { DataError, type DType, type HostArray, sizeOf } from '@beyondgrad/tensor'
import {
  TensorProto_DataLocation as Location,
  TensorProto_DataType as Type,
  TensorProtoSchema,
  type SparseTensorProto,
  type TensorProto,
} from './proto/onnx_pb.ts'
import { isLittleEndian, swapped } from './tensor-proto.ts'

/** A tensor as it was stored. */
export interface StoredTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** What its elements have become. */
  readonly dtype: DType
  /** What its elements are in the file, by the format's name in small letters: `float16`, `uint8`, …. */
  readonly elementType: string
  /** A view of the file's bytes where they are laid out as an array: don't write to it. */
  readonly data: HostArray
}

/** The bytes of another file of the model, by its location as the model writes it; undefined if there are none. */
export type ExternalFiles = (location: string) => Uint8Array | undefined

export interface ReadTensorOptions {
  /** Where data outside of the model are. Without it, such tensors are refused. */
  readonly external?: ExternalFiles
  /** What the tensor is called in messages, if not by its name. */
  readonly where?: string
}

interface Encoding {
  readonly dtype: DType
  /** Bytes an element in raw data. */
  readonly width: number
  /** Elements from raw bytes, a view where they are laid out that way already. */
  readonly raw: (bytes: Uint8Array) => HostArray
  /** The typed field that may hold the elements instead. */
  readonly field: 'floatData' | 'doubleData' | 'int32Data' | 'int64Data' | 'uint64Data'
  /** Elements from that field. */
  readonly typed: (list: ArrayLike<number | bigint>) => HostArray
}

const numbers = (list: ArrayLike<number | bigint>): ArrayLike<number> => list as ArrayLike<number>

const int32s = (list: ArrayLike<number | bigint>): Int32Array => Int32Array.from(numbers(list))

const encodings: ReadonlyMap<number, Encoding> = /* @__PURE__ */ new Map<number, Encoding>([
  [
    Type.FLOAT,
    {
      dtype: 'float32',
      width: 4,
      raw: (bytes) => arrayOver(Float32Array, bytes),
      field: 'floatData',
      typed: (list) => Float32Array.from(numbers(list)),
    },
  ],
  [
    Type.DOUBLE,
    {
      dtype: 'float64',
      width: 8,
      raw: (bytes) => arrayOver(Float64Array, bytes),
      field: 'doubleData',
      typed: (list) => Float64Array.from(numbers(list)),
    },
  ],
  [Type.FLOAT16, halves(fromFloat16)],
  [Type.BFLOAT16, halves(fromBfloat16)],
  [
    Type.INT32,
    {
      dtype: 'int32',
      width: 4,
      raw: (bytes) => arrayOver(Int32Array, bytes),
      field: 'int32Data',
      typed: int32s,
    },
  ],
  [Type.INT16, narrow(2, (bytes) => arrayOver(Int16Array, bytes))],
  [Type.UINT16, narrow(2, (bytes) => arrayOver(Uint16Array, bytes))],
  [Type.INT8, narrow(1, (bytes) => arrayOver(Int8Array, bytes))],
  [Type.UINT8, narrow(1, (bytes) => bytes)],
  [Type.INT64, wide(8, 'int64Data', (bytes) => arrayOver(BigInt64Array, bytes))],
  [Type.UINT32, wide(4, 'uint64Data', (bytes) => BigInt64Array.from(arrayOver(Uint32Array, bytes), BigInt))],
  [Type.UINT64, wide(8, 'uint64Data', (bytes) => arrayOver(BigInt64Array, bytes))],
  [
    Type.BOOL,
    {
      dtype: 'bool',
      width: 1,
      raw: (bytes) =>
        bytes.every((byte) => byte <= 1) ? bytes : Uint8Array.from(bytes, (byte) => (byte === 0 ? 0 : 1)),
      field: 'int32Data',
      typed: (list) => Uint8Array.from(numbers(list), (value) => (value === 0 ? 0 : 1)),
    },
  ],
])

/** Integers of fewer than 32 bits: int32 holds them. */
function narrow(width: number, view: (bytes: Uint8Array) => ArrayLike<number>): Encoding {
  return {
    dtype: 'int32',
    width,
    raw: (bytes) => Int32Array.from(view(bytes)),
    field: 'int32Data',
    typed: int32s,
  }
}

/** Integers of 32 unsigned or of 64 bits. */
function wide(
  width: number,
  field: 'int64Data' | 'uint64Data',
  raw: (bytes: Uint8Array) => BigInt64Array<ArrayBuffer>,
): Encoding {
  return {
    dtype: 'int64',
    width,
    raw,
    field,
    typed: (list) => BigInt64Array.from(list as ArrayLike<bigint>),
  }
}

/** Floats of 16 bits: the typed field holds their bits. */
function halves(widen: (bits: number) => number): Encoding {
  return {
    dtype: 'float32',
    width: 2,
    raw: (bytes) => Float32Array.from(arrayOver(Uint16Array, bytes), widen),
    field: 'int32Data',
    typed: (list) => Float32Array.from(numbers(list), (bits) => widen(bits & 0xffff)),
  }
}

/**
 * The tensor that a message holds. Floats of 16 bits become float32, integers of fewer than 32 bits int32, unsigned ones of 32
 * and 64 bits int64.
 *
 * @throws DataError for element types that have nothing to become (strings, complex numbers, 8 and 4 bit floats, 4 bit
 *   integers), for data that do not fill the shape, and for data in another file that is not given
 */
export function readTensor(proto: TensorProto, options: ReadTensorOptions = {}): StoredTensor {
  const { name } = proto
  const where = options.where ?? (name === '' ? 'a tensor' : `tensor "${name}"`)
  const type = proto.dataType
  const elementType = elementTypeName(type)
  const encoding = encodings.get(type)
  if (encoding === undefined) {
    throw new DataError(
      `${where} has elements of type ${elementType}, which have no dtype to become: store it as float, double, an integer or bool`,
    )
  }
  if (proto.segment !== undefined) {
    throw new DataError(`${where} is a segment of a tensor, which nobody writes: store it whole`)
  }
  const shape = shapeOf(where, proto.dims)
  const size = sizeOf(shape)
  const signed = (data: HostArray): HostArray => {
    if (elementType === 'uint64') demandSigned(where, data as BigInt64Array)
    return data
  }
  const result = (data: HostArray): StoredTensor => ({
    name,
    shape,
    dtype: encoding.dtype,
    elementType,
    data: signed(data),
  })
  if (proto.dataLocation === Location.EXTERNAL) {
    return result(encoding.raw(plain(externalBytes(where, proto, size * encoding.width, options.external))))
  }
  const typed = proto[encoding.field]
  if (proto.rawData.length > 0 || typed.length === 0) {
    demandFull(where, shape, proto.rawData.length, size * encoding.width, 'bytes')
    return result(encoding.raw(plain(proto.rawData)))
  }
  demandFull(where, shape, typed.length, size, 'elements')
  return result(encoding.typed(typed))
}

/** The tensor that the bytes of a file hold which has a single tensor, as the data of ONNX's test cases. */
export function parseTensor(bytes: Uint8Array, file = 'the file'): StoredTensor {
  let proto: TensorProto
  try {
    proto = fromBinary(TensorProtoSchema, bytes)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataError(
      `parseTensor: ${file} (${bytes.length} bytes) is no tensor (${reason}): check that it is complete`,
    )
  }
  return readTensor(proto)
}

/** More elements than a sparse tensor of a file may have when it is written out. */
const mostDense = 2 ** 24

/**
 * A sparse tensor, written out.
 *
 * @throws DataError if it would have more than 2²⁴ elements, or has an index outside of its shape
 */
export function readSparseTensor(proto: SparseTensorProto, options: ReadTensorOptions = {}): StoredTensor {
  if (proto.values === undefined || proto.indices === undefined) {
    throw new DataError('a sparse tensor lacks its values or its indices: store it dense')
  }
  const name = proto.values.name
  const where = options.where ?? `sparse tensor "${name}"`
  const values = readTensor(proto.values, { ...options, where })
  const indices = readTensor(proto.indices, { ...options, where: `${where}, indices` })
  const shape = shapeOf(where, proto.dims)
  const size = sizeOf(shape)
  if (size > mostDense) {
    throw new DataError(
      `${where} of shape [${shape.join(', ')}] has too many elements to be written out: store less`,
    )
  }
  const count = values.data.length
  const linear = indices.shape.length === 1
  if (indices.dtype !== 'int64' || indices.data.length !== (linear ? count : count * shape.length)) {
    throw new DataError(
      `${where}: indices [${indices.shape.join(', ')}] do not place ${count} values in [${shape.join(', ')}]`,
    )
  }
  const data = new (values.data.constructor as new (length: number) => HostArray)(size)
  for (let i = 0; i < count; i++) {
    let at = linear ? Number(indices.data[i]) : 0
    if (!linear)
      shape.forEach((extent, axis) => {
        const index = Number(indices.data[i * shape.length + axis])
        at = index >= 0 && index < extent ? at * extent + index : NaN
      })
    if (!(at >= 0 && at < size)) {
      throw new DataError(`${where}: value ${i} is placed outside of [${shape.join(', ')}]`)
    }
    data[at] = values.data[i]!
  }
  return { ...values, name, shape, data }
}

/** Where the data of a tensor outside of the model are; undefined if they are in it. Throws if it is no path inside the model's folder. */
export function externalLocation(proto: TensorProto): string | undefined {
  if (proto.dataLocation !== Location.EXTERNAL) return undefined
  return checkedLocation(`tensor "${proto.name}"`, external(proto, 'location') ?? '')
}

/** The name of an element type, in small letters. */
export function elementTypeName(type: number): string {
  return (Type as Record<number, string | undefined>)[type]?.toLowerCase() ?? `number ${type}`
}

/** The dtype that elements of a type become; undefined if there is none. */
export function dtypeOfElements(type: number): DType | undefined {
  return encodings.get(type)?.dtype
}

function shapeOf(where: string, dims: readonly bigint[]): number[] {
  const shape = dims.map(Number)
  const size = sizeOf(shape)
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 0) || size > 2 ** 31 - 1) {
    throw new DataError(
      `${where} claims the shape [${dims.join(', ')}], which is no shape of at most 2³¹ - 1 elements: check that the file is complete`,
    )
  }
  return shape
}

function demandFull(
  where: string,
  shape: readonly number[],
  found: number,
  wanted: number,
  unit: string,
): void {
  if (found === wanted) return
  throw new DataError(
    `${where} of shape [${shape.join(', ')}] needs ${wanted} ${unit} and has ${found}: check that the file is complete`,
  )
}

function demandSigned(where: string, data: BigInt64Array): void {
  if (data.every((value) => value >= 0n)) return
  throw new DataError(`${where} has elements of 2⁶³ or more, which int64 does not hold: store it as int64`)
}

const external = (proto: TensorProto, key: string): string | undefined =>
  proto.externalData.find((entry) => entry.key === key)?.value

/** Paths that stay inside the folder, whatever the system: no root, no drive, no way up. */
function checkedLocation(where: string, location: string): string {
  const parts = location.split(/[/\\]/)
  const leaves =
    location === '' ||
    location.includes('\0') ||
    /^([/\\]|[a-z][a-z0-9+.-]*:)/i.test(location) ||
    parts.includes('..')
  if (!leaves) return location
  throw new DataError(
    `${where} has its data in "${location}", which is not a path inside the model's folder: data are only read from there`,
  )
}

function externalBytes(
  where: string,
  proto: TensorProto,
  wanted: number,
  files: ExternalFiles | undefined,
): Uint8Array {
  const location = checkedLocation(where, external(proto, 'location') ?? '')
  const bytes = files?.(location)
  if (bytes === undefined) {
    throw new DataError(
      `${where} has its data in the file "${location}", which was not given: read the model from its path, or give the file along`,
    )
  }
  const offset = count(where, 'offset', external(proto, 'offset')) ?? 0
  const length = count(where, 'length', external(proto, 'length')) ?? wanted
  if (length !== wanted || offset + length > bytes.length) {
    throw new DataError(
      `${where} needs ${wanted} bytes, but is said to have ${length} from ${offset} on in "${location}", a file of ${bytes.length} bytes: check that both files belong together`,
    )
  }
  return bytes.subarray(offset, offset + length)
}

function count(where: string, key: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(value)) return value
  throw new DataError(`${where} has data with the ${key} "${text}", which is no count of bytes`)
}

/** Bytes as an array that is no Buffer of Node's. */
function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

type View<A> = {
  new (buffer: ArrayBufferLike, offset: number, length: number): A
  readonly BYTES_PER_ELEMENT: number
}

/** An array over bytes of a file; they are copied only where they are not aligned, or in the other order. */
function arrayOver<A>(type: View<A>, bytes: Uint8Array): A {
  const width = type.BYTES_PER_ELEMENT
  const ordered = isLittleEndian() ? bytes : swapped(bytes, width)
  // Not slice(): that of Node's Buffer, which a file may have come as, copies nothing.
  const aligned = ordered.byteOffset % width === 0 ? ordered : new Uint8Array(ordered)
  return new type(aligned.buffer, aligned.byteOffset, aligned.length / width)
}

const word = /* @__PURE__ */ new Float32Array(1)
const bitsOfWord = /* @__PURE__ */ new Uint32Array(word.buffer)

function fromBfloat16(bits: number): number {
  bitsOfWord[0] = bits << 16
  return word[0]!
}

/** IEEE 754 half precision: 1 sign, 5 exponent and 10 fraction bits. */
function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
