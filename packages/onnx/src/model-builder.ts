/**
 * @file Builds an ONNX model node by node.
 *
 * Values are named by strings, as in the format. A node may only use what exists already, so the nodes are in topological
 * order by construction and a wrong name is reported where it is used.
 */

import { create, toBinary } from '@bufbuild/protobuf'
import { DataError, type DType } from '@beyondgrad/tensor'
import { attributeProtos, type NodeAttributes } from './attribute.ts'
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto/onnx_pb.ts'
import { elementType, rawData, tensorProto, type TensorData } from './tensor-proto.ts'

/** Sizes; a string names a free axis, and equal names mean equal sizes. */
export type ModelShape = readonly (number | string)[]

export interface ModelOptions {
  /** Version of the standard operators. */
  readonly opset: number
  /** Versions of other operator domains, such as `{ 'com.microsoft': 1 }`. */
  readonly domains?: Readonly<Record<string, number>>
  /** Name of the graph. */
  readonly name?: string
  readonly producer?: string
  readonly producerVersion?: string
  readonly docString?: string
  /** Version of the file format. The default, 8, holds all that is written here, and every reader of today knows it. */
  readonly irVersion?: number
}

export interface NodeOptions {
  /** Operator domain; the standard one by default. */
  readonly domain?: string
  /** Name of the node itself, as profilers show it. */
  readonly name?: string
}

/** As many names as outputs: a tuple where the number is known. */
export type NodeOutputs<N extends number, Names extends string[] = []> = number extends N
  ? string[]
  : Names['length'] extends N
    ? Names
    : NodeOutputs<N, [...Names, string]>

export interface ModelBuilder {
  /** Declares an input of the model; its name is also the name of the value. */
  input(name: string, dtype: DType, shape: ModelShape): string

  /**
   * Declares an output of the model. `value` is the value to give out, by default the one called `name`. The value takes
   * the name of its output in the file, so no node is spent on it unless it is an input, an initializer or given out twice.
   */
  output(name: string, dtype: DType, shape: ModelShape, value?: string): void

  /**
   * Stores data in the model. Without a name, equal content is stored once. A typed array of the dtype is not copied: leave
   * it unchanged until `finish`.
   */
  initializer(dtype: DType, shape: readonly number[], data: TensorData, name?: string): string

  /**
   * Adds a node and returns the names of its outputs: one name, `outputs: 2` for several, or `outputs: ['', 'indices']` for
   * names of your own, where '' leaves an optional output out. An input '' leaves out an optional input.
   */
  node(opType: string, inputs: readonly string[], attributes?: NodeAttributes, options?: NodeOptions): string
  node<const N extends number>(
    opType: string,
    inputs: readonly string[],
    attributes: NodeAttributes,
    options: NodeOptions & { readonly outputs: N },
  ): NodeOutputs<N>
  node<const Names extends readonly string[]>(
    opType: string,
    inputs: readonly string[],
    attributes: NodeAttributes,
    options: NodeOptions & { readonly outputs: Names },
  ): { -readonly [K in keyof Names]: string }

  /** Adds entries to the model's metadata; a key given again is overwritten. */
  metadata(entries: Readonly<Record<string, string>>): void

  /** The file. The builder can go on afterwards. */
  finish(): Uint8Array<ArrayBuffer>
}

interface NodeRecord {
  readonly opType: string
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly attribute: AttributeProto[]
  readonly domain?: string
  readonly name?: string
}

interface OutputDeclaration {
  readonly info: ValueInfoProto
  readonly value: string
}

/** Up to here the content itself is the key under which an initializer is found again. */
const shortContent = 64

export function modelBuilder(options: ModelOptions): ModelBuilder {
  const opsets = new Map([['', options.opset], ...Object.entries(options.domains ?? {})])
  for (const [domain, version] of opsets) {
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new DataError(
        `modelBuilder: opset ${version} of domain "${domain}" is no version: give a whole number from 1`,
      )
    }
  }

  const origins = new Map<string, 'input' | 'initializer' | 'node'>()
  const inputs: ValueInfoProto[] = []
  const outputs = new Map<string, OutputDeclaration>()
  const initializers: TensorProto[] = []
  const nodes: NodeRecord[] = []
  const metadata = new Map<string, string>()
  const stored = new Map<string, TensorProto[]>()
  const counts = { _t: 0, _c: 0 }
  // A graph inside an attribute may read any value of the model by name, so then none may be renamed.
  let hasSubgraphs = false

  function claim(where: string, name: string, origin: 'input' | 'initializer' | 'node'): string {
    if (name === '') throw new DataError(`${where}: the name is empty: give one`)
    if (origins.has(name) || outputs.has(name)) {
      throw new DataError(`${where}: the name "${name}" is taken: choose another`)
    }
    origins.set(name, origin)
    return name
  }

  function fresh(kind: '_t' | '_c', origin: 'initializer' | 'node'): string {
    let name: string
    do name = `${kind}${counts[kind]++}`
    while (origins.has(name) || outputs.has(name))
    origins.set(name, origin)
    return name
  }

  function store(dtype: DType, shape: readonly number[], raw: Uint8Array): string {
    const content = raw.length <= shortContent ? raw.join() : String(raw.length)
    const key = `${dtype}[${shape.join()}]${content}`
    let candidates = stored.get(key)
    if (candidates === undefined) stored.set(key, (candidates = []))
    const same = candidates.find(({ rawData: other }) => equalBytes(other, raw))
    if (same) return same.name
    const proto = tensorProto(fresh('_c', 'initializer'), dtype, shape, raw)
    initializers.push(proto)
    candidates.push(proto)
    return proto.name
  }

  function node(
    opType: string,
    inputs: readonly string[],
    attributes?: NodeAttributes,
    options?: NodeOptions,
  ): string
  function node<const N extends number>(
    opType: string,
    inputs: readonly string[],
    attributes: NodeAttributes,
    options: NodeOptions & { readonly outputs: N },
  ): NodeOutputs<N>
  function node<const Names extends readonly string[]>(
    opType: string,
    inputs: readonly string[],
    attributes: NodeAttributes,
    options: NodeOptions & { readonly outputs: Names },
  ): { -readonly [K in keyof Names]: string }
  function node(
    opType: string,
    inputs: readonly string[],
    attributes: NodeAttributes = {},
    options: NodeOptions & { readonly outputs?: number | readonly string[] } = {},
  ): string | string[] {
    const where = `node ${opType}`
    for (const input of inputs) {
      if (input !== '' && !origins.has(input)) {
        throw new DataError(
          `${where}: the input "${input}" is no value of the model so far: add what computes it first`,
        )
      }
    }
    const domain = options.domain ?? ''
    if (!opsets.has(domain)) {
      throw new DataError(
        `${where}: the domain "${domain}" has no version: give modelBuilder domains: { '${domain}': 1 }`,
      )
    }
    const attribute = attributeProtos(where, attributes)
    const { outputs: wanted = 1, name } = options
    const output =
      typeof wanted === 'number'
        ? Array.from({ length: wanted }, () => fresh('_t', 'node'))
        : wanted.map((each) => (each === '' ? '' : claim(where, each, 'node')))
    nodes.push({
      opType,
      input: [...inputs],
      output,
      attribute,
      // Absent is shorter than empty.
      ...(domain === '' ? {} : { domain }),
      ...(name === undefined ? {} : { name }),
    })
    hasSubgraphs ||= attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0)
    return options.outputs === undefined ? output.join() : [...output]
  }

  /** The nodes as they go into the file: values that are outputs carry the names of these. */
  function namedNodes(): NodeProto[] {
    const renamed = new Map<string, string>()
    const copies: NodeRecord[] = []
    // A value that already is an output under its own name keeps it.
    const kept = new Set([...outputs].filter(([name, { value }]) => name === value).map(([name]) => name))
    for (const [name, { value }] of outputs) {
      if (name === value) continue
      const free = origins.get(value) === 'node' && !kept.has(value) && !renamed.has(value) && !hasSubgraphs
      if (free) renamed.set(value, name)
      else copies.push({ opType: 'Identity', input: [value], output: [name], attribute: [] })
    }
    const rename = (name: string): string => renamed.get(name) ?? name
    return [...nodes, ...copies].map((each) =>
      create(NodeProtoSchema, { ...each, input: each.input.map(rename), output: each.output.map(rename) }),
    )
  }

  return {
    input(name, dtype, shape) {
      inputs.push(valueInfo('input', claim('input', name, 'input'), dtype, shape))
      return name
    },
    output(name, dtype, shape, value = name) {
      const where = `output "${name}"`
      if (!origins.has(value)) {
        throw new DataError(
          `${where}: "${value}" is no value of the model so far: add what computes it first`,
        )
      }
      if (name === '' || outputs.has(name) || (name !== value && origins.has(name))) {
        throw new DataError(`${where}: the name is ${name === '' ? 'empty' : 'taken'}: choose another`)
      }
      outputs.set(name, { info: valueInfo('output', name, dtype, shape), value })
    },
    initializer(dtype, shape, data, name) {
      const where = name === undefined ? 'initializer' : `initializer "${name}"`
      const raw = rawData(where, dtype, shape, data)
      if (name === undefined) return store(dtype, shape, raw)
      initializers.push(tensorProto(claim(where, name, 'initializer'), dtype, shape, raw))
      return name
    },
    node,
    metadata(entries) {
      for (const [key, value] of Object.entries(entries)) metadata.set(key, value)
    },
    finish() {
      if (outputs.size === 0) {
        throw new DataError('finish: the model has no outputs: declare at least one with output(...)')
      }
      const graph = create(GraphProtoSchema, {
        name: options.name ?? 'graph',
        node: namedNodes(),
        initializer: initializers,
        input: inputs,
        output: [...outputs.values()].map(({ info }) => info),
      })
      const model = create(ModelProtoSchema, {
        irVersion: BigInt(options.irVersion ?? 8),
        opsetImport: [...opsets].map(([domain, version]) =>
          create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
        ),
        producerName: options.producer ?? 'beyondgrad',
        graph,
        metadataProps: [...metadata].map(([key, value]) =>
          create(StringStringEntryProtoSchema, { key, value }),
        ),
      })
      if (options.producerVersion !== undefined) model.producerVersion = options.producerVersion
      if (options.docString !== undefined) model.docString = options.docString
      return toBinary(ModelProtoSchema, model)
    },
  }
}

export function valueInfo(what: string, name: string, dtype: DType, shape: ModelShape): ValueInfoProto {
  const dim = shape.map((size) => {
    if (typeof size === 'string') return { value: { case: 'dimParam' as const, value: size } }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new DataError(
        `${what} "${name}": the shape [${shape.join(', ')}] has the size ${size}: give whole numbers from 0, or a name`,
      )
    }
    return { value: { case: 'dimValue' as const, value: BigInt(size) } }
  })
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: elementType(dtype), shape: { dim } } } },
  })
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
