/** @file New numbers for a tensor of a file, in the element type that it has there. */
import { clearField, create } from '@bufbuild/protobuf'
import { DataError, type HostArray, sizeOf } from '@beyondgrad/tensor'
import { TensorProto_DataType as Type, TensorProtoSchema, type TensorProto } from './proto/onnx_pb.ts'
import { elementTypeName, type StoredTensor } from './read-tensor.ts'
import { isLittleEndian, swapped } from './tensor-proto.ts'

type Elements = ArrayLike<number | bigint>

const numbers = (data: Elements): ArrayLike<number> => data as ArrayLike<number>
const integers = (data: Elements): bigint[] => Array.from<number | bigint, bigint>(data, BigInt)

/** Elements as the array that the file's bytes are, by element type. */
const arrays: ReadonlyMap<number, (data: Elements) => ArrayBufferView> = /* @__PURE__ */ new Map<
  number,
  (data: Elements) => ArrayBufferView
>([
  [Type.FLOAT, (data) => Float32Array.from(numbers(data))],
  [Type.DOUBLE, (data) => Float64Array.from(numbers(data))],
  [Type.FLOAT16, (data) => Uint16Array.from(numbers(data), toFloat16)],
  [Type.BFLOAT16, (data) => Uint16Array.from(numbers(data), toBfloat16)],
  [Type.INT8, (data) => Int8Array.from(numbers(data))],
  [Type.UINT8, (data) => Uint8Array.from(numbers(data))],
  [Type.INT16, (data) => Int16Array.from(numbers(data))],
  [Type.UINT16, (data) => Uint16Array.from(numbers(data))],
  [Type.INT32, (data) => Int32Array.from(numbers(data))],
  [Type.UINT32, (data) => Uint32Array.from(numbers(data), Number)],
  [Type.INT64, (data) => BigInt64Array.from(integers(data))],
  [Type.UINT64, (data) => BigUint64Array.from(integers(data))],
  [Type.BOOL, (data) => Uint8Array.from(numbers(data))],
])

/**
 * Replaces the elements of a tensor's message by others, of which there must be as many. They become what its elements are in the
 * file (floats of 16 bits are rounded to the nearest), as raw data inside of the message, wherever they were before.
 *
 * @throws DataError if the numbers don't fill the shape, or the element type is none that `readTensor` reads
 */
export function writeTensor(proto: TensorProto, data: HostArray): void {
  const shape = proto.dims.map(Number)
  if (data.length !== sizeOf(shape)) {
    throw new DataError(
      `tensor "${proto.name}" of shape [${shape.join(', ')}] can't hold ${data.length} elements: give ${sizeOf(shape)}`,
    )
  }
  const encode = arrays.get(proto.dataType)
  if (encode === undefined) {
    throw new DataError(
      `tensor "${proto.name}" has elements of type ${elementTypeName(proto.dataType)}, which are not written`,
    )
  }
  const array = encode(data)
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength) as Uint8Array<ArrayBuffer>
  const width = data.length === 0 ? 1 : array.byteLength / data.length
  proto.rawData = isLittleEndian() ? bytes : swapped(bytes, width)
  proto.floatData = []
  proto.doubleData = []
  proto.int32Data = []
  proto.int64Data = []
  proto.uint64Data = []
  proto.externalData = []
  clearField(proto, TensorProtoSchema.field.dataLocation)
}

/** A message for a tensor that was read, with its elements in it. */
export function protoOfTensor({ name, shape, elementType, data }: StoredTensor): TensorProto {
  const dataType = (Type as unknown as Record<string, number>)[elementType.toUpperCase()]!
  const proto = create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType })
  writeTensor(proto, data)
  return proto
}

const word = /* @__PURE__ */ new Float32Array(1)
const bitsOfWord = /* @__PURE__ */ new Uint32Array(word.buffer)

/** The upper half of a float32, rounded to the nearest, ties to even. */
function toBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  word[0] = value
  const bits = bitsOfWord[0]!
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** IEEE 754 half precision of a number, rounded to the nearest, ties to even. */
function toFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= 65520) return sign | 0x7c00
  // Below 2⁻¹⁴ steps are as wide as there: the exponent that the fraction counts from does not fall further.
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -14)))
  const steps = roundedToEven(size / 2 ** (exponent - 10))
  return sign | (steps + (exponent + 14) * 1024)
}

function roundedToEven(x: number): number {
  const below = Math.floor(x)
  const above = x - below
  if (above !== 0.5) return Math.round(x)
  return below % 2 === 0 ? below : below + 1
}
