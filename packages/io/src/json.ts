/**
 * @file Arrays in JSON: `{ "shape": [2], "data": [1, 2], "dtype": "int32" }`, row-major. Numbers that JSON lacks are the strings
 * "NaN", "Infinity" and "-Infinity", and integers beyond 2⁵³ are strings of digits.
 */
import { DataError, type DataOf, type DType, type NDArray } from '@beyondgrad/tensor'

/** An array as JSON has it. */
export interface JsonArray {
  readonly shape: readonly number[]
  readonly data: readonly (number | string | boolean)[]
  readonly dtype?: DType
}

export interface FromJsonOptions {
  /** What an array is that does not say. Default: `float32`. */
  readonly dtype?: DType
  /** What the array is called in messages. */
  readonly where?: string
}

const dtypes: readonly unknown[] = ['float32', 'float64', 'int32', 'int64', 'bool'] satisfies DType[]
const notInJson: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity }

/** An array from a value that `JSON.parse` gave; throws a `DataError` that says what is wrong with it. */
export function arrayFromJson(value: unknown, options: FromJsonOptions = {}): NDArray<DType> {
  const { where = 'arrayFromJson' } = options
  if (!isArray(value)) {
    throw new DataError(`${where}: an array in JSON is {"shape": [...], "data": [...], "dtype"?: "..."}`)
  }
  const { shape, data, dtype = options.dtype ?? 'float32' } = value
  if (!dtypes.includes(dtype)) {
    throw new DataError(
      `${where}: there is no dtype ${JSON.stringify(dtype)}; there are ${dtypes.join(', ')}`,
    )
  }
  const size = shape.reduce((product, axis) => product * axis, 1)
  if (size !== data.length) {
    throw new DataError(
      `${where}: the shape [${shape.slice(0, 8).join(', ')}] does not go with ${data.length} numbers; data is a flat list`,
    )
  }
  return { shape: [...shape], dtype, data: numbersOf(where, data, dtype) }
}

/** An array as a value for `JSON.stringify`. A dtype is written where it is not a float's. */
export function arrayToJson({ shape, dtype, data }: NDArray<DType>): JsonArray {
  const numbers = Array.from(data as ArrayLike<number | bigint>, (value) => {
    const number = Number(value)
    if (!Number.isFinite(number)) return String(number)
    return typeof value === 'bigint' && !Number.isSafeInteger(number) ? String(value) : number
  })
  const isPlain = dtype === 'float32' || dtype === 'float64'
  return { shape: [...shape], data: numbers, ...(!isPlain && { dtype }) }
}

function isArray(value: unknown): value is JsonArray {
  if (typeof value !== 'object' || value === null) return false
  const { shape, data } = value as Partial<Record<'shape' | 'data', unknown>>
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
  return Array.isArray(shape) && shape.every(isSize) && Array.isArray(data)
}

function numbersOf(where: string, list: readonly unknown[], dtype: DType): DataOf<DType> {
  const wrong = (i: number): DataError =>
    new DataError(`${where}: element ${i} is ${String(JSON.stringify(list[i])).slice(0, 40)}, no ${dtype}`)
  if (dtype === 'int64') {
    return BigInt64Array.from(list, (value, i) => {
      const isWhole = Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,19}$/.test(value))
      const whole = isWhole ? BigInt(value as number | string) : undefined
      if (whole === undefined || BigInt.asIntN(64, whole) !== whole) throw wrong(i)
      return whole
    })
  }
  const number = (value: unknown, i: number): number => {
    if (typeof value === 'number') return value
    if (typeof value === 'string' && Object.hasOwn(notInJson, value)) return notInJson[value]!
    throw wrong(i)
  }
  switch (dtype) {
    case 'float32':
      return Float32Array.from(list, number)
    case 'float64':
      return Float64Array.from(list, number)
    case 'int32':
      return Int32Array.from(list, (value, i) => {
        if (typeof value !== 'number' || (value | 0) !== value) throw wrong(i)
        return value
      })
    case 'bool':
      return Uint8Array.from(list, (value, i) => {
        if (value !== true && value !== false && value !== 0 && value !== 1) throw wrong(i)
        return Number(value)
      })
  }
}
