/**
 * @file A model as it is interpreted: checked, functions written out, nodes in an order in which they can run. Nothing in it is
 * of the file format any more.
 */
import type { StoredTensor } from '@beyondgrad/onnx'
import type { DType } from '@beyondgrad/tensor'
import type { NodeAttributes } from './node-attributes.ts'

/** A size, the name of a size that is free, or undefined where the file says nothing. */
export type Dimension = number | string | undefined

/** A tensor that a model takes or gives. */
export interface ValueInfo {
  readonly name: string
  /** What it is here. Undefined if the file does not say. */
  readonly dtype: DType | undefined
  /** What it is in the file: `float16`, `uint8`, …. */
  readonly elementType: string | undefined
  /** Undefined if not even the number of axes is known. */
  readonly shape: readonly Dimension[] | undefined
}

/** A tensor whose content is in the file. */
export interface StoredConstant extends StoredTensor {
  /** An initializer, or the output of a Constant node. */
  readonly origin: 'initializer' | 'constant'
}

/** One operation. An empty name stands for an input or output that is left out. */
export interface Node {
  readonly name: string
  readonly operator: string
  /** Empty for the standard operators. */
  readonly domain: string
  /** Version of the operators of that domain. */
  readonly opset: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: NodeAttributes
  /** Names from outside that graphs among the attributes use. */
  readonly captured: readonly string[]
}

/** A model's graph, or the body of an If, Loop or Scan. */
export interface Graph {
  readonly name: string
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly constants: ReadonlyMap<string, StoredConstant>
  /** Every node after those that it takes something from. */
  readonly nodes: readonly Node[]
}

/** The node as messages name it. */
export function titleOf(node: Pick<Node, 'name' | 'operator' | 'domain'>): string {
  const operator = operatorName(node)
  return node.name === '' ? `a node of ${operator}` : `node "${node.name}" (${operator})`
}

/** Everything that a node takes from others. */
export function uses(node: Node): readonly string[] {
  return node.captured.length === 0 ? node.inputs : [...node.inputs, ...node.captured]
}

/** The nodes that some values depend on, in order. */
export function nodesBefore(nodes: readonly Node[], wanted: Iterable<string>): Node[] {
  const needed = new Set(wanted)
  const live: Node[] = []
  for (let at = nodes.length - 1; at >= 0; at--) {
    const node = nodes[at]!
    if (!node.outputs.some((name) => name !== '' && needed.has(name))) continue
    live.push(node)
    for (const name of uses(node)) needed.add(name)
  }
  return live.reverse()
}

/** The graphs among a node's attributes. */
function bodiesOf(node: Node): Graph[] {
  return [...node.attributes].flatMap(([, attribute]) =>
    attribute.kind === 'graph' ? [attribute.value] : [],
  )
}

/** The tensors of a graph and of all bodies in it, by name. */
export function allConstants(graph: Pick<Graph, 'constants' | 'nodes'>): Map<string, StoredConstant> {
  const constants = new Map(graph.constants)
  for (const body of graph.nodes.flatMap(bodiesOf)) {
    for (const [name, constant] of allConstants(body)) constants.set(name, constant)
  }
  return constants
}

/** The nodes of a graph, each with those of its bodies behind it. */
export function* allNodes({ nodes }: Pick<Graph, 'nodes'>): Generator<Node> {
  for (const node of nodes) {
    yield node
    for (const body of bodiesOf(node)) yield* allNodes(body)
  }
}

/** An operator's name, with its domain in front if it is no standard one. */
export function operatorName({ operator, domain }: Pick<Node, 'operator' | 'domain'>): string {
  return domain === '' ? operator : `${domain}.${operator}`
}
