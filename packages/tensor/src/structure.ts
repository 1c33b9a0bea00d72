/** @file Result objects: tensors inside arrays, plain objects and named maps, and the same structure with values. */
import type { HostArray, NDArray } from './dtype.ts'
import { isNamedMap, type Named, type NamedMap } from './named-map.ts'
import { BeyondgradError } from './errors.ts'
import { type AnyTensor, isTensor, type Tensor } from './node.ts'
import { isUpdates, type Updates } from './updates.ts'

/** The structure that evaluation returns: every tensor has become an NDArray. */
export type Evaluated<T> =
  T extends Tensor<infer D>
    ? NDArray<D>
    : T extends NamedMap<infer K, infer P>
      ? NamedMap<K, Evaluated<P>>
      : T extends Updates
        ? undefined
        : T extends (...args: never[]) => unknown
          ? T
          : T extends object
            ? { readonly [K in keyof T]: Evaluated<T[K]> }
            : T

export interface Structure {
  readonly tensors: readonly AnyTensor[]
  /** Where each tensor is: keys and positions from the outside in. */
  readonly paths: readonly (readonly string[])[]
  readonly updates: readonly Updates[]
  /** The structure with arrays in place of its tensors, in their order. */
  fill(arrays: readonly HostArray[]): unknown
}

/** Finds the tensors in a structure. Functions, numbers, strings and class instances are kept as they are. */
export function structureOf(root: unknown): Structure {
  const tensors: AnyTensor[] = []
  const paths: string[][] = []
  const updates: Updates[] = []
  const path: string[] = []
  type Rebuild = (arrays: readonly HostArray[]) => unknown
  const within = new Set<unknown>()
  const visit = (value: unknown): Rebuild => {
    if (within.has(value)) {
      throw new BeyondgradError(
        'value',
        'evaluate: the object contains itself; tensors can only be found in trees',
      )
    }
    if (value instanceof Map || value instanceof Set || value instanceof Promise) {
      throw new BeyondgradError(
        'value',
        `evaluate: tensors inside a ${value.constructor.name} are not found; use an object, an array or a named map`,
      )
    }
    if (typeof value !== 'object' || value === null) return () => value
    within.add(value)
    const rebuild = visitObject(value)
    within.delete(value)
    return rebuild
  }
  const visitAt = (key: string, value: unknown): Rebuild => {
    path.push(key)
    const rebuild = visit(value)
    path.pop()
    return rebuild
  }
  const visitObject = (value: object): Rebuild => {
    if (isTensor(value)) {
      const at = tensors.length
      tensors.push(value)
      paths.push([...path])
      const { shape, dtype } = value
      return (arrays) => ({ shape, dtype, data: arrays[at]! })
    }
    if (isUpdates(value)) {
      updates.push(value)
      return () => undefined
    }
    if (isNamedMap(value)) {
      const parts = new Map<Named, Rebuild>()
      for (const [key, inner] of value) parts.set(key, visitAt(key.name, inner))
      return (arrays) => value.map((_, key) => parts.get(key)!(arrays))
    }
    if (Array.isArray(value)) {
      const parts = value.map((inner, i) => visitAt(String(i), inner))
      return (arrays) => parts.map((part) => part(arrays))
    }
    if (isPlainObject(value)) {
      const parts = Object.entries(value).map(([key, inner]) => [key, visitAt(key, inner)] as const)
      return (arrays) => Object.fromEntries(parts.map(([key, part]) => [key, part(arrays)]))
    }
    return () => value
  }
  const fill = visit(root)
  return { tensors, paths, updates, fill }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
