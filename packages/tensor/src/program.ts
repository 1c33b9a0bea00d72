/**
 * @file From requested outputs to something that can be cached: common sub-expressions merged, leaves turned into
 * numbered slots, guards turned into checks. Two requests with the same program share one executable, whatever
 * data they bring.
 */
import { expandComposites } from './composite.ts'
import type { HostArray } from './dtype.ts'
import type { Engine, Graph } from './engine.ts'
import { BeyondgradError, StaleParameterError } from './errors.ts'
import { topologicalOrder } from './graph.ts'
import { attributesEqual, mix } from './hash.ts'
import { cellOf, hostData, placeholder, randomSource } from './leaf.ts'
import { type AnyTensor, withInputs } from './node.ts'
import { type Check, checkOf, runCheck } from './ops/guard.ts'
import { fillRandom } from './random.ts'
import { sameShape, sizeOf } from './shape.ts'
import { rematerialize } from './rematerialize.ts'
import { simplify } from './simplify.ts'
import { takeTurns } from './turns.ts'

/** One distinct node of a program; `inputs` are positions in the program. */
interface Entry {
  readonly node: AnyTensor
  readonly inputs: readonly number[]
  readonly slot: boolean
  readonly hash: number
}

/** What is computed from which slots: the same for requests that differ in their data only. */
export interface Program {
  readonly hash: number
  readonly entries: readonly Entry[]
  readonly outputs: readonly number[]
}

/** A program together with what this request puts into it and checks. */
export interface Request {
  readonly program: Program
  /** The leaves that fill the program's slots, in order. */
  readonly leaves: readonly AnyTensor[]
  /** Checks of what fills a slot. */
  readonly before: readonly { readonly check: Check; readonly slot: number }[]
  /** Checks of computed tensors, which are outputs after the requested ones. */
  readonly after: readonly { readonly check: Check; readonly output: number; readonly node: AnyTensor }[]
}

const isSlot = (node: AnyTensor): boolean => node.op.family === 'leaf' && node.op.name !== 'constant'

/** Merges equal nodes, numbers the leaves, and takes guards and the marks of checkpoints and turns out. */
export function requestOf(marked: readonly AnyTensor[]): Request {
  const outputs = takeTurns(rematerialize(marked))
  const entries: Entry[] = []
  const leaves: AnyTensor[] = []
  const checked: { check: Check; on: AnyTensor }[] = []
  const position = new Map<AnyTensor, number>()
  const buckets = new Map<number, number[]>()
  for (const node of topologicalOrder(outputs)) {
    if (node.op.family === 'guard') {
      position.set(node, position.get(node.inputs[0]!)!)
      checked.push({ check: checkOf(node), on: node.inputs[1]! })
      continue
    }
    const inputs = node.inputs.map((input) => position.get(input)!)
    const slot = isSlot(node)
    let hash = node.key
    if (slot) {
      hash = leaves.length
      for (const d of node.shape) hash = mix(hash, d)
    }
    for (const input of inputs) hash = mix(hash, input)
    // Leaves merge by identity of what they hold.
    const bucketKey = slot ? node.hash : hash
    const bucket = buckets.get(bucketKey)
    const equal = bucket?.find((at) => sameEntry(entries[at]!, node, inputs, slot))
    if (equal !== undefined) {
      position.set(node, equal)
      continue
    }
    if (slot) leaves.push(node)
    if (bucket) bucket.push(entries.length)
    else buckets.set(bucketKey, [entries.length])
    position.set(node, entries.length)
    entries.push({ node, inputs, slot, hash })
  }
  const slots = new Map(leaves.map((leaf, i) => [position.get(leaf)!, i]))
  const requested = outputs.map((output) => position.get(output)!)
  const { before, after, extra } = placeChecks(checked, position, slots, requested.length)
  const program = programOf(entries, [...requested, ...extra])
  return { program, leaves, before, after }
}

/** Checks of slots run before the program does; what others look at becomes an extra output, to be checked afterwards. */
function placeChecks(
  checked: readonly { readonly check: Check; readonly on: AnyTensor }[],
  position: ReadonlyMap<AnyTensor, number>,
  slots: ReadonlyMap<number, number>,
  outputs: number,
): Pick<Request, 'before' | 'after'> & { readonly extra: readonly number[] } {
  const before: Request['before'][number][] = []
  const after: Request['after'][number][] = []
  const extra: number[] = []
  const seen = new Set<string>()
  for (const { check, on } of checked) {
    const id = position.get(on)!
    const key = `${id} ${JSON.stringify(check)}`
    if (seen.has(key)) continue
    seen.add(key)
    const slot = slots.get(id)
    if (slot !== undefined) before.push({ check, slot })
    else {
      after.push({ check, output: outputs + extra.length, node: on })
      extra.push(id)
    }
  }
  return { before, after, extra }
}

function programOf(entries: readonly Entry[], outputs: readonly number[]): Program {
  let hash = outputs.length
  for (const entry of entries) hash = mix(hash, entry.hash)
  for (const id of outputs) hash = mix(hash, id)
  return { hash, entries, outputs }
}

function sameEntry(entry: Entry, node: AnyTensor, inputs: readonly number[], slot: boolean): boolean {
  if (entry.node === node) return true
  if (entry.slot !== slot || entry.inputs.length !== inputs.length) return false
  for (let i = 0; i < inputs.length; i++) if (entry.inputs[i] !== inputs[i]) return false
  return sameContent(entry.node, node)
}

function sameContent(a: AnyTensor, b: AnyTensor): boolean {
  return (
    (a.op === b.op || a.op.name === b.op.name) &&
    a.dtype === b.dtype &&
    sameShape(a.shape, b.shape) &&
    attributesEqual(a.attributes, b.attributes)
  )
}

/** Whether two programs compute the same from their slots. */
export function samePrograms(a: Program, b: Program): boolean {
  if (a === b) return true
  if (a.hash !== b.hash || a.entries.length !== b.entries.length || a.outputs.length !== b.outputs.length) {
    return false
  }
  if (a.outputs.some((id, i) => id !== b.outputs[i])) return false
  return a.entries.every((x, i) => {
    const y = b.entries[i]!
    if (x.slot !== y.slot || x.inputs.length !== y.inputs.length) return false
    if (x.inputs.some((id, j) => id !== y.inputs[j])) return false
    if (x.slot) return x.node.dtype === y.node.dtype && sameShape(x.node.shape, y.node.shape)
    return sameContent(x.node, y.node)
  })
}

/**
 * The program as a graph of primitives for an engine. It holds placeholders in place of the leaves, so that a cached
 * executable keeps no data alive.
 */
export function graphOf(program: Program): Graph {
  const nodes: AnyTensor[] = []
  const inputs: AnyTensor[] = []
  for (const { node, inputs: ids, slot } of program.entries) {
    if (slot) {
      const input = placeholder(node.shape, node.dtype, `input ${inputs.length}`)
      inputs.push(input)
      nodes.push(input)
    } else {
      const from = ids.map((id) => nodes[id]!)
      nodes.push(withInputs(node, from))
    }
  }
  const requested = program.outputs.map((id) => nodes[id]!)
  const outputs = mergeEqual(simplify(expandComposites(requested)))
  return { inputs, outputs }
}

/** Merges equal nodes once more: expansions may have produced the same thing twice. */
function mergeEqual(outputs: readonly AnyTensor[]): AnyTensor[] {
  const { program } = requestOf(outputs)
  const nodes: AnyTensor[] = []
  for (const { node, inputs } of program.entries) {
    const from = inputs.map((id) => nodes[id]!)
    nodes.push(withInputs(node, from))
  }
  return program.outputs.map((id) => nodes[id]!)
}

/** The program without the leaves' data, for keeping. */
export function withoutData(program: Program): Program {
  return {
    ...program,
    entries: program.entries.map((entry) => {
      if (entry.slot) return { ...entry, node: placeholder(entry.node.shape, entry.node.dtype) }
      return { ...entry, node: withInputs(entry.node, []) }
    }),
  }
}

/** Where the values of a run come from. */
export interface Binding {
  /** Values for placeholders. */
  readonly arguments?: ReadonlyMap<AnyTensor, HostArray>
  /** Cells are read as they are now; otherwise their version must be the one that the expression means. */
  readonly live: boolean
  /** The step that random leaves are drawn for. */
  readonly step: number
  /** The number of the first sample, from which random leaves count on. Default: 0. */
  readonly first?: number
}

/** The arrays that fill the slots, read synchronously; runs the checks that need no computation. */
export function feedsOf(request: Request, binding: Binding, engine: Engine): HostArray[] {
  const feeds = request.leaves.map((leaf) => feedOf(leaf, binding, engine))
  for (const { check, slot } of request.before) runCheck(check, feeds[slot]!, request.leaves[slot]!.shape)
  return feeds.map((feed, i) => {
    const leaf = request.leaves[i]!
    // Double-precision results of the reference engine may come back as inputs of a single-precision one.
    const single = engine.float === 'float32' && leaf.dtype === 'float32' && feed instanceof Float64Array
    return single ? Float32Array.from(feed) : feed
  })
}

function feedOf(leaf: AnyTensor, binding: Binding, engine: Engine): HostArray {
  const data = hostData(leaf)
  if (data !== undefined) return data
  const parameter = cellOf(leaf)
  if (parameter !== undefined) {
    if (!binding.live && parameter.cell.version !== parameter.version) {
      throw new StaleParameterError(parameter.cell.name)
    }
    return parameter.cell.data
  }
  const source = randomSource(leaf)
  if (source !== undefined) {
    const [draws = 1, samples = 1, ...rest] = leaf.shape
    const target =
      engine.float === 'float32' ? new Float32Array(sizeOf(leaf.shape)) : new Float64Array(sizeOf(leaf.shape))
    const first = source.shared === true ? 0 : (binding.first ?? 0)
    fillRandom(source, binding.step, draws, samples, sizeOf(rest), target, first)
    return target
  }
  const value = binding.arguments?.get(leaf)
  if (value !== undefined) return value
  throw new BeyondgradError(
    'tracing',
    `an expression that contains the traced ${(leaf.attributes.label as string | undefined) ?? leaf.op.name} has no value outside of its function; return it from there`,
  )
}

/** Runs the checks on computed tensors and drops their values. */
export function checkResults(request: Request, results: readonly HostArray[]): readonly HostArray[] {
  for (const { check, output, node } of request.after) runCheck(check, results[output]!, node.shape)
  return results.slice(0, results.length - request.after.length)
}
