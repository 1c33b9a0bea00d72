/** @file Tensors as the format stores them: element types, little-endian raw data. */

import { create } from '@bufbuild/protobuf'
import { DataError, type DType, type HostArray } from '@beyondgrad/tensor'
import { TensorProto_DataType, TensorProtoSchema, type TensorProto } from './proto/onnx_pb.ts'

/** What a tensor may be made from; one number is a tensor of one element. */
export type TensorData = HostArray | readonly (number | bigint)[] | number | bigint

export function elementType(dtype: DType): TensorProto_DataType {
  switch (dtype) {
    case 'float32':
      return TensorProto_DataType.FLOAT
    case 'float64':
      return TensorProto_DataType.DOUBLE
    case 'int32':
      return TensorProto_DataType.INT32
    case 'int64':
      return TensorProto_DataType.INT64
    case 'bool':
      return TensorProto_DataType.BOOL
  }
}

/**
 * The elements as the file's bytes. An array that already holds them that way is viewed, not copied: a weight exists once
 * until the file is written.
 */
export function rawData(where: string, dtype: DType, shape: readonly number[], data: TensorData): Uint8Array {
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new DataError(
        `${where}: the shape [${shape.join(', ')}] has the size ${size}: give whole numbers from 0`,
      )
    }
  }
  const array = toArray(where, dtype, typeof data === 'number' || typeof data === 'bigint' ? [data] : data)
  const size = shape.reduce((product, axis) => product * axis, 1)
  if (array.length !== size) {
    throw new DataError(
      `${where}: ${array.length} elements do not fill the shape [${shape.join(', ')}]: give ${size} of them`,
    )
  }
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  return isLittleEndian() ? bytes : swapped(bytes, array.BYTES_PER_ELEMENT)
}

export function tensorProto(
  name: string,
  dtype: DType,
  shape: readonly number[],
  raw: Uint8Array,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: elementType(dtype),
    rawData: raw,
  })
}

function toArray(where: string, dtype: DType, data: HostArray | readonly (number | bigint)[]): HostArray {
  switch (dtype) {
    case 'float32':
      return data instanceof Float32Array
        ? data
        : Float32Array.from(data as ArrayLike<number | bigint>, Number)
    case 'float64':
      return data instanceof Float64Array
        ? data
        : Float64Array.from(data as ArrayLike<number | bigint>, Number)
    case 'int32':
      return data instanceof Int32Array ? data : Int32Array.from(integers(where, dtype, data, 31), Number)
    case 'int64':
      return data instanceof BigInt64Array ? data : BigInt64Array.from(integers(where, dtype, data, 63))
    case 'bool':
      return data instanceof Uint8Array
        ? data
        : Uint8Array.from(data as ArrayLike<number | bigint>, bit(where))
  }
}

/** Typed arrays wrap what does not fit them, silently; a file must not. */
function integers(
  where: string,
  dtype: DType,
  data: HostArray | readonly (number | bigint)[],
  bits: number,
): bigint[] {
  const limit = 2n ** BigInt(bits)
  return Array.from<number | bigint, bigint>(data, (value) => {
    const whole = toInteger(where, value)
    if (whole < -limit || whole >= limit) {
      throw new DataError(`${where}: ${value} does not fit ${dtype}: give a smaller value or a wider dtype`)
    }
    return whole
  })
}

/** A whole number, exactly. */
export function toInteger(where: string, value: number | bigint): bigint {
  if (typeof value === 'bigint') return value
  if (!Number.isSafeInteger(value)) {
    throw new DataError(`${where}: ${value} is no exact integer: give a whole number below 2^53, or a bigint`)
  }
  return BigInt(value)
}

function bit(where: string): (value: number | bigint) => number {
  return (value) => {
    const number = Number(value)
    if (number !== 0 && number !== 1) {
      throw new DataError(`${where}: ${value} is no bool: give 0 or 1`)
    }
    return number
  }
}

export function isLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
}

export function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const result = bytes.slice()
  for (let start = 0; start < result.length; start += width) result.subarray(start, start + width).reverse()
  return result
}
