/** @file An immutable map whose keys have names, looked up by the key or by its name. */
import { BeyondgradError } from './errors.ts'

/** A key. */
export interface Named {
  readonly name: string
  /** Two keys with the same identity are the same key, whatever they are called. */
  readonly identity?: object
}

/** What results per parameter come in. A miss throws and lists the names there are. */
export interface NamedMap<out K extends Named, out T> extends Iterable<readonly [K, T]> {
  readonly '~map': 1
  readonly size: number
  readonly names: readonly string[]
  get(key: Named | string): T
  has(key: Named | string): boolean
  map<U>(transform: (value: T, key: K) => U): NamedMap<K, U>
  toObject(): { readonly [name: string]: T }
}

class Entries<K extends Named, T> implements NamedMap<K, T> {
  readonly '~map' = 1
  readonly entries: ReadonlyMap<string, readonly [K, T]>

  constructor(entries: ReadonlyMap<string, readonly [K, T]>) {
    this.entries = entries
  }
  get size(): number {
    return this.entries.size
  }
  get names(): readonly string[] {
    return [...this.entries.keys()]
  }
  get(key: Named | string): T {
    const entry = this.find(key)
    if (entry === undefined) {
      const name = typeof key === 'string' ? key : key.name
      throw new BeyondgradError(
        'missing-key',
        `there is no "${name}" here; there are: ${this.names.join(', ')}`,
      )
    }
    return entry[1]
  }
  has(key: Named | string): boolean {
    return this.find(key) !== undefined
  }
  map<U>(transform: (value: T, key: K) => U): NamedMap<K, U> {
    return namedMap([...this.entries.values()].map(([key, value]) => [key, transform(value, key)] as const))
  }
  toObject(): { readonly [name: string]: T } {
    return Object.fromEntries([...this.entries].map(([name, [, value]]) => [name, value]))
  }
  [Symbol.iterator](): Iterator<readonly [K, T]> {
    return this.entries.values()
  }

  private find(key: Named | string): readonly [K, T] | undefined {
    if (typeof key === 'string') return this.entries.get(key)
    const named = this.entries.get(key.name)
    if (key.identity === undefined || named?.[0].identity === key.identity) return named
    return [...this.entries.values()].find(([other]) => other.identity === key.identity)
  }
}

/** A map from its entries, in their order; throws `value` if two keys have one name. */
export function namedMap<K extends Named, T>(entries: Iterable<readonly [K, T]>): NamedMap<K, T> {
  const byName = new Map<string, readonly [K, T]>()
  for (const entry of entries) {
    const name = entry[0].name
    if (byName.has(name)) {
      throw new BeyondgradError('value', `two entries are called "${name}"; names must differ`)
    }
    byName.set(name, entry)
  }
  return new Entries(byName)
}

export function isNamedMap(value: unknown): value is NamedMap<Named, unknown> {
  return typeof value === 'object' && value !== null && '~map' in value
}
