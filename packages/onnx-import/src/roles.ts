/**
 * @file What the tensors of a model are: parameters, running statistics or constants. A file does not say; it shows in how they
 * are used, behind what only hands them on.
 */
import { isFloat, sizeOf } from '@beyondgrad/tensor'
import type { Graph, Node, StoredConstant } from './graph.ts'
import type { OperatorLookup } from './operators/index.ts'

export type TensorRole = 'parameter' | 'buffer' | 'constant'

/** A place where a tensor is used. */
export interface TensorUse {
  readonly operator: string
  /** The node's name. */
  readonly node: string
  /** Which of the node's inputs it is. */
  readonly input: number
}

/** What is known about a tensor of a file when its role is decided. */
export interface TensorInfo {
  readonly name: string
  readonly shape: readonly number[]
  readonly role: TensorRole
  /** Uses behind operators that only hand it on, as Identity, Transpose and Reshape. */
  readonly uses: readonly TensorUse[]
  /** Why it has its role, in words. */
  readonly why: string
  /** Whether it would be a parameter, were it no Constant node of a file that has its weights in initializers. */
  readonly constantNode?: boolean
}

/** Operators that hand their first input on, or all of them. */
const aliases = new Set([
  'Identity',
  'Cast',
  'Transpose',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Flatten',
  'Split',
  'Slice',
])

/** The tensors of a file, also those inside of bodies, with their roles. */
export function rolesOf(graph: Graph, lookup: OperatorLookup): TensorInfo[] {
  const users = new Map<string, { node: Node; input: number }[]>()
  const constants = new Map<string, StoredConstant>()
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const visit = (of: Graph): void => {
    for (const [name, constant] of of.constants) constants.set(name, constant)
    for (const node of of.nodes) {
      node.inputs.forEach((name, input) => {
        if (name === '') return
        const known = users.get(name)
        if (known === undefined) users.set(name, [{ node, input }])
        else known.push({ node, input })
      })
      for (const [, attribute] of node.attributes) if (attribute.kind === 'graph') visit(attribute.value)
    }
  }
  visit(graph)
  const isStatic = staticNames(graph, constants)
  const usesOf = (name: string, seen: Set<string>): (TensorUse & { readonly at: Node })[] => {
    if (seen.has(name)) return []
    seen.add(name)
    return (users.get(name) ?? []).flatMap(({ node, input }) => {
      const passes =
        node.domain === '' &&
        ((aliases.has(node.operator) && input === 0) ||
          (node.operator === 'Concat' && isStatic(node.outputs[0] ?? '')))
      if (passes) return node.outputs.flatMap((output) => (output === '' ? [] : usesOf(output, seen)))
      return [{ operator: node.operator, node: node.name, input, at: node }]
    })
  }
  const judged = [...constants.values()].map((constant) => {
    const uses = usesOf(constant.name, new Set())
    return { constant, uses, ...roleOf(constant, uses, outputs, lookup) }
  })
  // Some exporters write all weights as Constant nodes. In a file of any other, those are what was constant in the program.
  const weightsAreInitializers = judged.some(
    ({ constant, role }) => role === 'parameter' && constant.origin === 'initializer',
  )
  return judged.map(({ constant, uses, role, why }): TensorInfo => {
    const constantNode = weightsAreInitializers && constant.origin === 'constant' && role === 'parameter'
    return {
      name: constant.name,
      shape: constant.shape,
      role: constantNode ? 'constant' : role,
      ...(constantNode && { constantNode }),
      why: constantNode
        ? 'it comes from a Constant node, but the weights of this file are initializers'
        : why,
      uses: uses.map(({ operator, node, input }) => ({ operator, node, input })),
    }
  })
}

/** Whether a value depends on constants of the file alone. */
export function staticNames(
  graph: Graph,
  constants: ReadonlyMap<string, StoredConstant> = graph.constants,
): (name: string) => boolean {
  const names = new Set(constants.keys())
  for (const node of graph.nodes) {
    if (node.captured.length > 0 || node.inputs.length === 0) continue
    if (node.inputs.every((name) => name === '' || names.has(name)))
      for (const name of node.outputs) names.add(name)
  }
  return (name) => names.has(name)
}

function roleOf(
  constant: StoredConstant,
  uses: readonly (TensorUse & { readonly at: Node })[],
  outputs: ReadonlySet<string>,
  lookup: OperatorLookup,
): { role: TensorRole; why: string } {
  if (!isFloat(constant.dtype))
    return { role: 'constant', why: `it holds ${constant.elementType}, not floats` }
  if (uses.length === 0) {
    return { role: 'constant', why: outputs.has(constant.name) ? 'it is only given out' : 'nothing uses it' }
  }
  if (constant.origin === 'constant' && sizeOf(constant.shape) <= 1) {
    return { role: 'constant', why: 'it is a single number from a Constant node' }
  }
  const kinds = uses.map((use) => kindOfUse(use, lookup))
  if (kinds.includes('data')) {
    const use = uses[kinds.indexOf('data')]!
    return { role: 'parameter', why: `it is input ${use.input} of ${use.operator}` }
  }
  const first = uses[0]!
  if (kinds.includes('buffer'))
    return { role: 'buffer', why: `it is input ${first.input} of ${first.operator}: running statistics` }
  return { role: 'constant', why: `it only sets something, as input ${first.input} of ${first.operator}` }
}

function kindOfUse(
  { at, input }: TensorUse & { readonly at: Node },
  lookup: OperatorLookup,
): 'data' | 'buffer' | 'setting' {
  const version = lookup(at)
  if (version?.buffers?.includes(input)) return 'buffer'
  if (version?.known?.includes(input) || version?.settings?.includes(input)) return 'setting'
  return 'data'
}
