/** @file Runs a graph on tensors: every node becomes the expression that its operator stands for. */
import {
  type AnyTensor,
  BeyondgradError,
  type ErrorCode,
  formatShape,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { type Graph, type Node, titleOf } from './graph.ts'
import { reasonOf } from './import-error.ts'
import { fold, knownData } from './known.ts'
import { OperatorCall, type OperatorResult } from './operator.ts'
import type { OperatorLookup } from './operators/index.ts'

type Values = readonly (AnyTensor | undefined)[]

/** What is the same for all calls of a model. */
export interface Interpretation {
  readonly lookup: OperatorLookup
  /** Tensors of the file by their names: parameters, buffers and constants. */
  readonly stored: (name: string) => AnyTensor | undefined
  /** What nodes give that depend on constants of the file alone: computed once, and kept here. */
  readonly folded: Map<Node, Values>
  /** Runs a node, perhaps otherwise than the file says. */
  readonly adjust: (call: OperatorCall, build: (call: OperatorCall) => OperatorResult) => OperatorResult
}

/** Values by name; a body sees those around it. */
class Scope {
  private readonly values = new Map<string, AnyTensor>()
  private readonly fixed = new Set<string>()
  private readonly stored: Interpretation['stored']
  private readonly around: Scope | undefined

  constructor(stored: Interpretation['stored'], around?: Scope) {
    this.stored = stored
    this.around = around
  }
  set(name: string, value: AnyTensor, fixed: boolean): void {
    this.values.set(name, value)
    if (fixed) this.fixed.add(name)
  }
  get(name: string): AnyTensor | undefined {
    return this.values.get(name) ?? this.around?.get(name) ?? this.stored(name)
  }
  /** Whether a value is the same at every call. */
  isFixed(name: string): boolean {
    if (this.values.has(name)) return this.fixed.has(name)
    return this.around === undefined ? this.stored(name) !== undefined : this.around.isFixed(name)
  }
}

const origins = /* @__PURE__ */ new WeakMap<AnyTensor, Node>()

/** The node of an ONNX model that made a tensor; undefined if it was made elsewhere. */
export function onnxNodeOf(x: AnyTensor): { readonly name: string; readonly operator: string } | undefined {
  return origins.get(x)
}

/** The graph's outputs for given inputs. */
export function interpret(graph: Graph, inputs: Values, how: Interpretation): AnyTensor[] {
  return runGraph(graph, inputs, how, undefined)
}

function runGraph(graph: Graph, inputs: Values, how: Interpretation, around: Scope | undefined): AnyTensor[] {
  const scope = new Scope(how.stored, around)
  graph.inputs.forEach(({ name }, i) => {
    const value = inputs[i]
    if (value !== undefined) scope.set(name, value, false)
  })
  for (const node of graph.nodes) {
    const fixed =
      node.captured.length === 0 && node.inputs.every((name) => name === '' || scope.isFixed(name))
    let results = fixed ? how.folded.get(node) : undefined
    if (results === undefined) {
      results = runNode(node, how, scope)
      const known = results.every((value) => value === undefined || knownData(value) !== undefined)
      if (fixed && known && around === undefined) how.folded.set(node, results)
    }
    node.outputs.forEach((name, i) => {
      const value = results[i]
      if (name !== '' && value !== undefined) scope.set(name, value, fixed)
    })
  }
  return graph.outputs.map(({ name }) => {
    const value = scope.get(name)
    if (value !== undefined) return value
    throw new BeyondgradError('unsupported', `the output "${name}" is not computed by its node`)
  })
}

function runNode(node: Node, how: Interpretation, scope: Scope): Values {
  const operands = node.inputs.map((name) => {
    if (name === '') return undefined
    const value = scope.get(name)
    if (value !== undefined) return value
    throw new BeyondgradError('unsupported', `${titleOf(node)} needs "${name}", which no node computes`)
  })
  const call = new OperatorCall(node, operands, (body, values) => runGraph(body, values, how, scope))
  const version = how.lookup(node)
  if (version === undefined) throw new BeyondgradError('unsupported', `${titleOf(node)} is not known`)
  const results = listOf(guarded(call, () => how.adjust(call, version.build)))
  const given = operands.filter((x) => x !== undefined)
  remember(results, given, node)
  const allKnown = node.captured.length === 0 && given.every((x) => knownData(x) !== undefined)
  return allKnown ? folded(results) : results
}

const isTensorList = (result: OperatorResult): result is Values => Array.isArray(result)

function listOf(result: OperatorResult): Values {
  return isTensorList(result) ? result : [result]
}

function folded(results: Values): Values {
  const computed = fold(results.filter((x) => x !== undefined))
  if (computed === undefined) return results
  const next = computed.values()
  return results.map((x) => (x === undefined ? undefined : next.next().value))
}

/** Whatever goes wrong in a node names the node. */
function guarded<T>(call: OperatorCall, run: () => T): T {
  try {
    return run()
  } catch (error) {
    const title = titleOf(call.node)
    const message = reasonOf(error)
    if (message.startsWith(title) || error instanceof NodeError) throw error
    const shapes = call.inputs.map((x) => (x === undefined ? 'nothing' : formatShape(x.shape)))
    const code = error instanceof BeyondgradError ? error.code : 'data'
    throw new NodeError(code, `${title} on ${shapes.join(', ')}: ${message}`, { cause: error })
  }
}

/** An error that names its node already. */
class NodeError extends BeyondgradError {
  constructor(code: ErrorCode, message: string, options: ErrorOptions) {
    super(code, message, options)
    this.name = 'BeyondgradError'
  }
}

function remember(results: Values, given: readonly AnyTensor[], node: Node): void {
  const made = results.filter((x) => x !== undefined)
  for (const x of topologicalOrder(made, new Set(given))) if (!origins.has(x)) origins.set(x, node)
}
