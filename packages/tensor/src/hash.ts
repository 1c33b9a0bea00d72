/** @file 32-bit structural hashing. Equal hashes are always confirmed by comparison. */
import type { Attributes, AttributeValue } from './op.ts'

export function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1)
  h ^= h >>> 15
  return h | 0
}

export function hashNumber(hash: number, value: number): number {
  if ((value | 0) === value) return mix(hash, value)
  scratch[0] = value
  return mix(mix(hash, words[0]!), words[1]!)
}

export function hashString(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i))
  return hash
}

const scratch = /* @__PURE__ */ new Float64Array(1)
const words = /* @__PURE__ */ new Int32Array(scratch.buffer)

const identities = /* @__PURE__ */ new WeakMap<object, number>()
let counter = 0

/** A number of its own for every object: leaves and cells are hashed by identity, never by content. */
function identityOf(object: object): number {
  let id = identities.get(object)
  if (id === undefined) identities.set(object, (id = ++counter))
  return id
}

function hashValue(hash: number, value: AttributeValue): number {
  if (typeof value === 'number') return hashNumber(hash, value)
  if (typeof value === 'string') return hashString(mix(hash, 1), value)
  if (typeof value === 'boolean') return mix(hash, value ? 3 : 2)
  if (value === null || value === undefined) return mix(hash, 4)
  if (value instanceof BigInt64Array) {
    for (const v of value) hash = hashNumber(hash, Number(v))
    return mix(hash, value.length)
  }
  if (isNumberList(value)) {
    for (let i = 0; i < value.length; i++) hash = hashNumber(hash, value[i]!)
    return mix(hash, value.length)
  }
  return mix(hash, identityOf(value))
}

export function hashAttributes(hash: number, attributes: Attributes): number {
  for (const key in attributes) hash = hashValue(hash, attributes[key])
  return hash
}

type NumberList = readonly number[] | Float32Array | Float64Array | Int32Array | Uint8Array

function isNumberList(value: object): value is NumberList {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof BigInt64Array))
}

export function attributesEqual(a: Attributes, b: Attributes): boolean {
  if (a === b) return true
  for (const key in a) if (!valuesEqual(a[key], b[key])) return false
  for (const key in b) if (!(key in a)) return false
  return true
}

function valuesEqual(a: AttributeValue, b: AttributeValue): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof BigInt64Array && b instanceof BigInt64Array) {
    return a.length === b.length && a.every((v, i) => v === b[i])
  }
  if (!isNumberList(a) || !isNumberList(b) || a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false
  return true
}
