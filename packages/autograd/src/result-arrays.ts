/** @file The arrays in an evaluated result: inside of named maps, plain objects and arrays, each with the keys that lead to it. */
import { type DType, isNamedMap, type NDArray } from '@beyondgrad/tensor'

export type AnyArray = NDArray<DType>

const isArray = (value: object): value is AnyArray =>
  'shape' in value && 'dtype' in value && 'data' in value && ArrayBuffer.isView(value.data)

/** The same structure with something else in place of its arrays; what is none is kept. */
export function mapArrays(
  result: unknown,
  replace: (array: AnyArray, path: readonly string[]) => unknown,
  path: readonly string[] = [],
): unknown {
  if (typeof result !== 'object' || result === null) return result
  if (isArray(result)) return replace(result, path)
  if (isNamedMap(result)) return result.map((value, { name }) => mapArrays(value, replace, [...path, name]))
  if (Array.isArray(result)) return result.map((value, i) => mapArrays(value, replace, [...path, String(i)]))
  const prototype: unknown = Object.getPrototypeOf(result)
  if (prototype !== Object.prototype && prototype !== null) return result
  return Object.fromEntries(
    Object.entries(result).map(([key, value]) => [key, mapArrays(value, replace, [...path, key])]),
  )
}

/** All arrays, by the keys that lead to them. */
export function arraysIn(result: unknown): ReadonlyMap<string, AnyArray> {
  const found = new Map<string, AnyArray>()
  mapArrays(result, (array, path) => found.set(nameOf(path), array))
  return found
}

/** Keys as messages show them. */
export const nameOf = (path: readonly string[]): string => path.join(' → ')
