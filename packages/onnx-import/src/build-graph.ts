/**
 * @file From the messages of a file to a graph: names checked, functions of the model written out where they are called, nodes
 * sorted, those that nothing depends on dropped.
 */
import {
  type AttributeProto,
  dtypeOfElements,
  elementTypeName,
  type ExternalFiles,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  readSparseTensor,
  readTensor,
  type StoredTensor,
  type ValueInfoProto,
} from '@beyondgrad/onnx'
import { DataError } from '@beyondgrad/tensor'
import type { ConstantNames } from './constant-names.ts'
import {
  type Graph,
  type Node,
  nodesBefore,
  type StoredConstant,
  titleOf,
  uses,
  type ValueInfo,
} from './graph.ts'
import { type ImportProblem, reasonOf } from './import-error.ts'
import { type Attribute, NodeAttributes } from './node-attributes.ts'
import { type Report, sorted } from './sort-nodes.ts'

export interface BuildContext {
  readonly problems: ImportProblem[]
  readonly functions: ReadonlyMap<string, FunctionProto>
  readonly external: ExternalFiles
  /** All nodes, also in bodies, and also those that nothing depends on: what is not known is told of every one. */
  readonly nodes: Node[]
  /** How many nodes there are so far: functions that call each other twice grow without end. */
  count: number
  readonly names: ConstantNames
}

/** What names and attributes mean where a node stands. */
interface Surroundings {
  readonly opsets: ReadonlyMap<string, number>
  /** Inside a function: the value by its name there. */
  readonly rename: (name: string) => string
  /** Inside a function: what it was called with. */
  readonly given: ReadonlyMap<string, Attribute> | undefined
  /** Functions around, and graphs inside of graphs. */
  readonly depth: number
  readonly calling: readonly string[]
}

/** Functions and bodies inside each other. */
const deepest = 32
const mostNodes = 2 ** 18

const isStandard = (domain: string): boolean => domain === '' || domain === 'ai.onnx'

/** The domain as operators are looked up by it. */
export function plainDomain(domain: string): string {
  return isStandard(domain) ? '' : domain
}

export function functionKey(domain: string, name: string, overload: string): string {
  return JSON.stringify([plainDomain(domain), name, overload])
}

/** Versions by domain; the standard operators have version 1 in files that don't say. */
export function opsetsOf(
  imports: readonly { readonly domain: string; readonly version: bigint }[],
): Map<string, number> {
  const opsets = new Map(imports.map(({ domain, version }) => [plainDomain(domain), Number(version)]))
  if (!opsets.has('')) opsets.set('', 1)
  return opsets
}

/** The main graph of a model. What is wrong with it goes to `context.problems`. */
export function buildGraph(
  proto: GraphProto,
  opsets: ReadonlyMap<string, number>,
  context: BuildContext,
): Graph {
  return graphOf(proto, { opsets, rename: (name) => name, given: undefined, depth: 0, calling: [] }, context)
}

function graphOf(proto: GraphProto, outside: Surroundings, context: BuildContext): Graph {
  const unique = outside.given === undefined ? context.names.claim(proto) : (name: string) => name
  const rename = (name: string): string => outside.rename(unique(name))
  const around = { ...outside, rename }
  const constants = new Map<string, StoredConstant>()
  const problem: Report = (kind, message, more = {}) => {
    context.problems.push({ kind, message, ...more })
  }
  const keep = (name: string, origin: StoredConstant['origin'], read: () => StoredTensor): void => {
    if (constants.has(name)) problem('graph', `two initializers are called "${name}"`, { tensor: name })
    try {
      constants.set(name, { ...read(), name, origin })
    } catch (error) {
      problem('tensor', reasonOf(error), { tensor: name })
    }
  }
  const reading = { external: context.external }
  for (const each of proto.initializer) {
    keep(rename(each.name), 'initializer', () => readTensor(each, reading))
  }
  for (const each of proto.sparseInitializer) {
    keep(rename(each.values?.name ?? ''), 'initializer', () => readSparseTensor(each, reading))
  }
  const own = proto.node.flatMap((node) => nodesOf(node, around, context))
  const nodes: Node[] = []
  for (const node of own) {
    if (node.operator !== 'Constant' || node.domain !== '') {
      nodes.push(node)
      continue
    }
    keep(node.outputs[0] ?? '', 'constant', () => constantOfNode(node))
  }
  for (const node of nodes) context.nodes.push(node)
  const inputs = proto.input.map((info) => valueInfo(info, rename)).filter(({ name }) => !constants.has(name))
  const outputs = proto.output.map((info) => valueInfo(info, rename))
  const defined = new Set([...constants.keys(), ...inputs.map(({ name }) => name)])
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === '') continue
      if (defined.has(name)) {
        problem('graph', `the value "${name}" is made twice, the second time by ${titleOf(node)}`, {
          tensor: name,
        })
      }
      defined.add(name)
    }
  }
  const ordered = sorted(nodes, defined, around.depth === 0, problem)
  if (around.depth === 0) {
    for (const { name } of outputs) {
      if (!defined.has(name)) problem('graph', `nothing makes the output "${name}"`, { tensor: name })
    }
  }
  const wanted = outputs.map(({ name }) => name)
  return { name: proto.name, inputs, outputs, constants, nodes: nodesBefore(ordered, wanted) }
}

/** A node, or those of the function that it calls. */
function nodesOf(proto: NodeProto, around: Surroundings, context: BuildContext): Node[] {
  const domain = plainDomain(proto.domain)
  const title = titleOf({ name: proto.name, operator: proto.opType, domain })
  if (++context.count > mostNodes) throw new DataError(`there are more than ${mostNodes} nodes`)
  const attributes = new Map<string, Attribute>()
  for (const each of proto.attribute) {
    try {
      const value = attributeOf(each, around, context)
      if (value !== undefined) attributes.set(each.name, value)
    } catch (error) {
      context.problems.push({
        kind: 'tensor',
        message: `${title}, attribute ${each.name}: ${reasonOf(error)}`,
        node: proto.name,
      })
    }
  }
  const inputs = proto.input.map(around.rename)
  const outputs = proto.output.map(around.rename)
  const key = functionKey(domain, proto.opType, proto.overload)
  const called = context.functions.get(key)
  if (called !== undefined) return inlined(called, key, proto, inputs, outputs, attributes, around, context)
  const captured = [...attributes.values()].flatMap((each) =>
    each.kind === 'graph' ? outerNames(each.value) : [],
  )
  const opset = around.opsets.get(domain)
  if (opset === undefined) {
    context.problems.push({
      kind: 'opset',
      message: `${title} is of the domain "${domain}", whose version the file does not say`,
      node: proto.name,
    })
  }
  return [
    {
      name: proto.name === '' ? (outputs.find((name) => name !== '') ?? '') : proto.name,
      operator: proto.opType,
      domain,
      opset: opset ?? 1,
      inputs,
      outputs,
      attributes: new NodeAttributes(title, attributes),
      captured: [...new Set(captured)],
    },
  ]
}

function inlined(
  called: FunctionProto,
  key: string,
  call: NodeProto,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: ReadonlyMap<string, Attribute>,
  around: Surroundings,
  context: BuildContext,
): Node[] {
  if (around.calling.includes(key) || around.depth >= deepest) {
    const why = around.calling.includes(key) ? 'calls itself' : `is nested more than ${deepest} deep`
    context.problems.push({ kind: 'graph', message: `the function ${called.domain}.${called.name} ${why}` })
    return []
  }
  const names = new Map<string, string>([['', '']])
  called.input.forEach((name, i) => names.set(name, inputs[i] ?? ''))
  // A value of the function's own must not meet one outside: this cannot be written in a file's names twice.
  const prefix = `${call.name || outputs[0] || called.name}/${context.count}/`
  called.output.forEach((name, i) => {
    if (!names.has(name)) names.set(name, outputs[i] || `${prefix}${name}`)
  })
  const given = new Map(attributes)
  for (const each of called.attributeProto) {
    const value = given.has(each.name) ? undefined : attributeOf(each, around, context)
    if (value !== undefined) given.set(each.name, value)
  }
  const inside: Surroundings = {
    opsets: new Map([...around.opsets, ...opsetsOf(called.opsetImport)]),
    rename: (name) => names.get(name) ?? `${prefix}${name}`,
    given,
    depth: around.depth + 1,
    calling: [...around.calling, key],
  }
  const nodes = called.node.flatMap((node) => nodesOf(node, inside, context))
  // An output that is an input, too, needs a node of its own.
  const passed = called.output.flatMap((name, i): Node[] => {
    const to = outputs[i] ?? ''
    const from = inside.rename(name)
    if (to === '' || from === to) return []
    const standard = { name: to, operator: 'Identity', domain: '', opset: inside.opsets.get('') ?? 1 }
    return [
      {
        ...standard,
        inputs: [from],
        outputs: [to],
        attributes: new NodeAttributes(to, new Map()),
        captured: [],
      },
    ]
  })
  return [...nodes, ...passed]
}

/** Names that a body takes from around it. */
function outerNames(graph: Graph): string[] {
  const own = new Set(['', ...graph.constants.keys(), ...graph.inputs.map(({ name }) => name)])
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name)
  const used = [...graph.nodes.flatMap(uses), ...graph.outputs.map(({ name }) => name)]
  return used.filter((name) => !own.has(name))
}

const decoder = /* @__PURE__ */ new TextDecoder()

function attributeOf(
  proto: AttributeProto,
  around: Surroundings,
  context: BuildContext,
): Attribute | undefined {
  if (proto.refAttrName !== '') return around.given?.get(proto.refAttrName)
  const reading = { external: context.external }
  switch (proto.type || guessedType(proto)) {
    case 1:
      return { kind: 'float', value: proto.f }
    case 2:
      return { kind: 'int', value: proto.i }
    case 3:
      return { kind: 'string', value: decoder.decode(proto.s) }
    case 4:
      if (proto.t === undefined) throw new DataError('there is no tensor')
      return { kind: 'tensor', value: readTensor(proto.t, reading) }
    case 5:
      if (proto.g === undefined) throw new DataError('there is no graph')
      if (around.depth >= deepest) throw new DataError(`graphs are nested more than ${deepest} deep`)
      return { kind: 'graph', value: graphOf(proto.g, { ...around, depth: around.depth + 1 }, context) }
    case 6:
      return { kind: 'floats', value: proto.floats }
    case 7:
      return { kind: 'ints', value: proto.ints }
    case 8:
      return { kind: 'strings', value: proto.strings.map((bytes) => decoder.decode(bytes)) }
    case 11:
      if (proto.sparseTensor === undefined) throw new DataError('there is no sparse tensor')
      return { kind: 'tensor', value: readSparseTensor(proto.sparseTensor, reading) }
    default:
      return { kind: 'other', value: `type ${proto.type}` }
  }
}

/** Old files don't say the kind. */
function guessedType(proto: AttributeProto): number {
  if (proto.t !== undefined) return 4
  if (proto.g !== undefined) return 5
  if (proto.ints.length > 0) return 7
  if (proto.floats.length > 0) return 6
  if (proto.strings.length > 0) return 8
  if (proto.s.length > 0) return 3
  if (proto.f !== 0) return 1
  return 2
}

/** What a Constant node holds. */
function constantOfNode(node: Node): StoredTensor {
  const [name = ''] = node.outputs
  for (const [, attribute] of node.attributes) {
    switch (attribute.kind) {
      case 'tensor':
        return attribute.value
      case 'float':
        return {
          name,
          shape: [],
          dtype: 'float32',
          elementType: 'float',
          data: Float32Array.of(attribute.value),
        }
      case 'floats': {
        const data = Float32Array.from(attribute.value)
        return { name, shape: [data.length], dtype: 'float32', elementType: 'float', data }
      }
      case 'int':
        return {
          name,
          shape: [],
          dtype: 'int64',
          elementType: 'int64',
          data: BigInt64Array.of(attribute.value),
        }
      case 'ints': {
        const data = BigInt64Array.from(attribute.value)
        return { name, shape: [data.length], dtype: 'int64', elementType: 'int64', data }
      }
    }
  }
  throw new DataError(`${titleOf(node)} holds no numbers`)
}

function valueInfo(proto: ValueInfoProto, rename: (name: string) => string): ValueInfo {
  const name = rename(proto.name)
  const value = proto.type?.value
  if (value?.case !== 'tensorType') {
    return { name, dtype: undefined, elementType: value?.case, shape: undefined }
  }
  const { elemType, shape } = value.value
  return {
    name,
    dtype: dtypeOfElements(elemType),
    elementType: elementTypeName(elemType),
    shape: shape?.dim.map((dim) => {
      if (dim.value.case === 'dimValue') return dim.value.value < 0n ? undefined : Number(dim.value.value)
      return dim.value.case === 'dimParam' && dim.value.value !== '' ? dim.value.value : undefined
    }),
  }
}
