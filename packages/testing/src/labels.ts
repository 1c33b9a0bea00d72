/** @file Sample-axis labels against the taint interpreter. */
import { type AxisLabel, findSampleAxes, ownRuleOf, type SampleAxis } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  expandPlainly,
  formatShape,
  type HostArray,
  placeholder,
  rewrite,
  sizeOf,
  stridesOf,
  substitute,
  type Tensor,
  topologicalOrder,
  withInputs,
} from '@beyondgrad/tensor'
import { valuesOf } from './reference.ts'
import { mostSamples, type Taint, taintsOf } from './taint.ts'

/** A graph of so many samples whose labels are checked. */
export interface LabelledGraph {
  /** What a loss would look at: axis 0 counts the samples. */
  readonly outputs: readonly Tensor[]
  /** Leaves whose sample axis is given. */
  readonly samples?: ReadonlyMap<AnyTensor, number> | undefined
  /** Further nodes to check, which need no samples on axis 0. */
  readonly others?: readonly AnyTensor[] | undefined
}

/** What the labels said, over all nodes and numbers of samples. */
export interface LabelReport {
  /** Nodes with a label that is right. */
  readonly labelled: number
  /** Nodes that are rightly said to belong to no sample. */
  readonly shared: number
  /** Nodes at which samples do meet. */
  readonly mixed: number
  /** Nodes said to be mixed though no entry depends on two samples: allowed, a refusal too many. */
  readonly falseAlarms: number
  /** Nodes whose samples could not be described: a refusal, too. */
  readonly opaque: number
}

export interface LabelOptions {
  /** Numbers of samples to build the graph for. Default: 1, 2, 3 and 5. */
  readonly sizes?: readonly number[]
}

/**
 * Checks that no entry of a node labelled (axis, outer, inner) depends on another sample than ⌊i / inner⌋ mod N, and
 * none of a shared node on any; throws at the first that does.
 *
 * @param build makes the graph for a number of samples
 */
export async function checkLabels(
  build: (samples: number) => Tensor | LabelledGraph,
  options: LabelOptions = {},
): Promise<LabelReport> {
  const report = { labelled: 0, shared: 0, mixed: 0, falseAlarms: 0, opaque: 0 }
  for (const samples of options.sizes ?? [1, 2, 3, 5]) {
    if (samples > mostSamples) throw new Error(`checkLabels: ${samples} samples are more than ${mostSamples}`)
    const built = build(samples)
    await checkGraph('outputs' in built ? built : { outputs: [built] }, samples, report)
  }
  return report
}

type Counts = { -readonly [K in keyof LabelReport]: number }

async function checkGraph(graph: LabelledGraph, samples: number, report: Counts): Promise<void> {
  const wanted = withoutComposites([...graph.outputs, ...(graph.others ?? [])])
  const outputs = wanted.slice(0, graph.outputs.length)
  const order = topologicalOrder(wanted)
  const axes = findSampleAxes(order, outputs, samples, graph.samples)
  const graphs = await interpretable(order)
  const starts = new Map<AnyTensor, Taint>()
  for (const node of order) {
    if (node.inputs.length === 0) starts.set(node, ownTaint(node, axes.of(node), samples))
  }
  const taints = taintsOf(graphs.order, starts, samples, graphs.values, graphs.standsFor)
  // Where an output is refused, nobody goes by the labels of what leads to it.
  const accepted = outputs.filter((output) => isLabel(axes.of(output)))
  for (const node of order) {
    const axis = axes.of(node)
    const taint = taints.get(node)!
    const wrong = judge(node, axis, taint, samples, report)
    if (wrong !== undefined) throw new Error(`with ${samples} samples, op "${node.op.name}" ${wrong}`)
    // A label on what no sample has touched is a claim: row n serves sample n alone.
    const claimed = node.inputs.length > 0 && axis !== undefined && taint.every((mask) => mask === 0)
    if (claimed) demandOwnRows(node, axis, order, accepted, samples, graphs)
  }
  for (const output of accepted) {
    const wrong = firstForeign(taints.get(output)!, output, rows, samples)
    if (wrong !== undefined)
      throw new Error(`with ${samples} samples, axis 0 of an output doesn't count them: ${wrong}`)
  }
}

/** What the taint interpreter takes: the nodes, and next to ops that bring rules what they stand for. */
interface Interpretable {
  readonly order: readonly AnyTensor[]
  readonly values: ReadonlyMap<AnyTensor, HostArray>
  readonly standsFor: ReadonlyMap<AnyTensor, AnyTensor>
}

async function interpretable(nodes: readonly AnyTensor[]): Promise<Interpretable> {
  const standsFor = new Map<AnyTensor, AnyTensor>()
  const order = new Set<AnyTensor>()
  for (const node of nodes) {
    if (node.op.family === 'composite') {
      const meaning = meaningOf(node)
      standsFor.set(node, meaning)
      for (const part of topologicalOrder([meaning])) order.add(part)
    }
    order.add(node)
  }
  const all = [...order]
  const results = await valuesOf(all)
  return { order: all, values: new Map(all.map((node, i) => [node, results[i]!.data])), standsFor }
}

/** A composite in primitives, over its own inputs. */
function meaningOf(node: AnyTensor): AnyTensor {
  const stands = node.inputs.map(({ shape, dtype }, i) => placeholder(shape, dtype, `input ${i}`))
  const [plain] = withoutComposites([expandPlainly(withInputs(node, stands))], () => false)
  return substitute([plain!], new Map(stands.map((stand, i) => [stand, node.inputs[i]!])))[0]!
}

const isLabel = (axis: SampleAxis): axis is AxisLabel => axis !== undefined && 'axis' in axis

/** Axis 0, as the losses see it. */
const rows: AxisLabel = { axis: 0, outer: 1, inner: 1 }

/** Follows the rows of a node that is shared but labelled to the outputs: each must end in its own sample's. */
function demandOwnRows(
  node: AnyTensor,
  axis: SampleAxis,
  order: readonly AnyTensor[],
  outputs: readonly AnyTensor[],
  samples: number,
  graphs: Interpretable,
): void {
  const before = order.slice(0, order.indexOf(node))
  const known = new Map<AnyTensor, Taint>(before.map((x) => [x, new Int32Array(sizeOf(x.shape))]))
  known.set(node, ownTaint(node, axis, samples))
  for (const leaf of order) if (leaf.inputs.length === 0) known.set(leaf, new Int32Array(sizeOf(leaf.shape)))
  const reached = taintsOf(graphs.order, known, samples, graphs.values, graphs.standsFor)
  for (const output of outputs) {
    const wrong = firstForeign(reached.get(output)!, output, rows, samples)
    if (wrong === undefined) continue
    throw new Error(
      `with ${samples} samples, op "${node.op.name}" ${formatShape(node.shape)} is shared, and labelled as if each sample used a part of its own; but of an output, ${wrong}`,
    )
  }
}

function judge(
  node: AnyTensor,
  axis: SampleAxis,
  taint: Taint,
  samples: number,
  report: Counts,
): string | undefined {
  if (axis === undefined) {
    const at = taint.findIndex((mask) => mask !== 0)
    if (at >= 0)
      return `is said to be shared, but element ${at} of ${formatShape(node.shape)} depends on ${members(taint[at]!)}`
    report.shared++
    return undefined
  }
  if (!isLabel(axis)) {
    if (axis.kind === 'opaque') report.opaque++
    else if (taint.some((mask) => (mask & (mask - 1)) !== 0)) report.mixed++
    else report.falseAlarms++
    return undefined
  }
  if (axis.outer * samples * axis.inner !== node.shape[axis.axis]) {
    return `has the label ${describe(axis)}, which does not fit ${formatShape(node.shape)}`
  }
  const wrong = firstForeign(taint, node, axis, samples)
  if (wrong !== undefined) return `has the label ${describe(axis)}, but ${wrong}`
  report.labelled++
  return undefined
}

function firstForeign(taint: Taint, node: AnyTensor, label: AxisLabel, samples: number): string | undefined {
  const at = taint.findIndex((mask, index) => (mask & ~(1 << sampleAt(index, node, label, samples))) !== 0)
  if (at < 0) return undefined
  return `element ${at} of ${formatShape(node.shape)} depends on ${members(taint[at]!)}`
}

function sampleAt(index: number, node: AnyTensor, { axis, inner }: AxisLabel, samples: number): number {
  const position = Math.floor(index / stridesOf(node.shape)[axis]!) % node.shape[axis]!
  return Math.floor(position / inner) % samples
}

/** Every entry depends on the sample that its label says: of a leaf, by definition. */
function ownTaint(node: AnyTensor, axis: SampleAxis, samples: number): Taint {
  const taint = new Int32Array(sizeOf(node.shape))
  if (!isLabel(axis)) return taint
  return taint.map((_, index) => 1 << sampleAt(index, node, axis, samples))
}

/** In primitives, and in composites that bring rules of their own: labels of these are looked at, too. */
function withoutComposites<T extends AnyTensor>(
  outputs: readonly T[],
  keeps: (node: AnyTensor) => boolean = (node) => ownRuleOf(node) !== undefined,
): T[] {
  return rewrite(outputs, (node) =>
    node.op.family === 'composite' && !keeps(node)
      ? withoutComposites([expandPlainly(node)], keeps)[0]!
      : node,
  ) as T[]
}

const describe = ({ axis, outer, inner }: AxisLabel): string =>
  `(axis ${axis}, outer ${outer}, inner ${inner})`

function members(mask: number): string {
  const list = Array.from({ length: mostSamples }, (_, i) => i).filter((i) => (mask >> i) & 1)
  return `sample${list.length > 1 ? 's' : ''} ${list.join(', ')}`
}
