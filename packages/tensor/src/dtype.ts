/**
 * @file Element types and the arrays that hold them.
 *
 * `float32` means "the engine's float": ONNX Runtime computes it in single precision, the reference engine in
 * double precision (and then hands out a `Float64Array`).
 */

import { DTypeError } from './errors.ts'

/** Element types. Labels and counts are `int32`; comparisons give `bool`. */
export type DType = 'float32' | 'float64' | 'int32' | 'int64' | 'bool'

/** The typed array that holds elements of a dtype. Bools are bytes, 0 or 1. */
export type DataOf<D extends DType> = D extends 'float32'
  ? Float32Array
  : D extends 'float64'
    ? Float64Array
    : D extends 'int32'
      ? Int32Array
      : D extends 'int64'
        ? BigInt64Array
        : Uint8Array

/** Any array that an engine may accept or return. */
export type HostArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array

/** A computed tensor on the host, row-major. */
export interface NDArray<out D extends DType = 'float32'> {
  readonly shape: readonly number[]
  readonly dtype: D
  readonly data: DataOf<D>
}

export function isFloat(dtype: DType): dtype is 'float32' | 'float64' {
  return dtype === 'float32' || dtype === 'float64'
}

const dtypes: readonly unknown[] = ['float32', 'float64', 'int32', 'int64', 'bool']

/** Throws unless it is one of ours; plain JavaScript may bring anything. */
export function checkDType(op: string, dtype: unknown): asserts dtype is DType {
  if (dtypes.includes(dtype)) return
  throw new DTypeError(op, `there is no dtype "${String(dtype)}"; use float32, float64, int32, int64 or bool`)
}

/** The dtype that a host array naturally has. */
export function dtypeOf(data: HostArray): DType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof BigInt64Array) return 'int64'
  return 'bool'
}

/** Zero-filled storage for `size` elements; float32 is single precision unless `float` asks for double. */
export function allocate(dtype: DType, size: number, float: 'float32' | 'float64' = 'float32'): HostArray {
  switch (dtype) {
    case 'float32':
      return float === 'float64' ? new Float64Array(size) : new Float32Array(size)
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
