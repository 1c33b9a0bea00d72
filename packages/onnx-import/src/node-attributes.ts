/** @file Attributes of a node, as operators ask for them. */
import type { StoredTensor } from '@beyondgrad/onnx'
import { DataError } from '@beyondgrad/tensor'
import type { Graph } from './graph.ts'

export type Attribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: StoredTensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** Of a kind that no operator here takes; kept so that its presence shows. */
  | { readonly kind: 'other'; readonly value: string }

interface Values {
  readonly float: number
  readonly int: bigint
  readonly string: string
  readonly tensor: StoredTensor
  readonly graph: Graph
  readonly floats: readonly number[]
  readonly ints: readonly bigint[]
  readonly strings: readonly string[]
}

/**
 * The attributes of a node by name. Asking for one that is there in another kind is a `DataError`; so is one that is missing
 * and has no default. Integers are numbers, rounded beyond 2⁵³, which only ends of slices are.
 */
export class NodeAttributes {
  private readonly entries: ReadonlyMap<string, Attribute>
  private readonly node: string

  constructor(node: string, entries: ReadonlyMap<string, Attribute>) {
    this.node = node
    this.entries = entries
  }
  has(name: string): boolean {
    return this.entries.has(name)
  }
  get(name: string): Attribute | undefined {
    return this.entries.get(name)
  }
  *[Symbol.iterator](): Iterator<readonly [string, Attribute]> {
    yield* this.entries
  }
  int(name: string, usual?: number): number {
    const value = this.find('int', name)
    return value === undefined ? this.default(name, usual) : Number(value)
  }
  flag(name: string, usual = false): boolean {
    return this.int(name, usual ? 1 : 0) !== 0
  }
  ints(name: string): number[] | undefined {
    return this.find('ints', name)?.map(Number)
  }
  float(name: string, usual?: number): number {
    return this.find('float', name) ?? this.default(name, usual)
  }
  floats(name: string): readonly number[] | undefined {
    return this.find('floats', name)
  }
  string(name: string, usual?: string): string {
    return this.find('string', name) ?? this.default(name, usual)
  }
  strings(name: string): readonly string[] | undefined {
    return this.find('strings', name)
  }
  tensor(name: string): StoredTensor | undefined {
    return this.find('tensor', name)
  }
  graph(name: string): Graph {
    return this.find('graph', name) ?? this.default<Graph>(name, undefined)
  }

  private find<K extends keyof Values>(kind: K, name: string): Values[K] | undefined {
    const found = this.entries.get(name)
    if (found === undefined) return undefined
    if (found.kind !== kind) {
      throw new DataError(`${this.node}: attribute ${name} must be of kind ${kind}, not ${found.kind}`)
    }
    return found.value as Values[K]
  }
  private default<T>(name: string, usual: T | undefined): T {
    if (usual === undefined) throw new DataError(`${this.node} lacks the attribute ${name}`)
    return usual
  }
}
