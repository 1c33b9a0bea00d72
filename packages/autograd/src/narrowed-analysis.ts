/**
 * @file A graph of some of the samples: every node that has samples is built anew over leaves of which these samples were taken, so that
 * whatever is swept back through it costs as much as a batch of so many. What all samples share stays as it is.
 */
import {
  type AnyTensor,
  BeyondgradError,
  build,
  constant,
  dependents,
  expand,
  gatherAt,
  namedMap,
  reshape,
  type Shape,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { type Analysis, findEntrances, type MarkedLoss } from './analysis.ts'
import type { AxisLabel } from './label.ts'
import { isLabel, type SampleAxis } from './sample-axis.ts'

/** What a sweep of columns goes by. */
export type SweptAnalysis = Pick<Analysis, 'losses' | 'samples' | 'order' | 'affected' | 'axes' | 'entrances'>

export interface NarrowedAnalysis extends SweptAnalysis {
  /** The loss of the whole batch that a narrowed one stands for. */
  whole(loss: MarkedLoss): MarkedLoss
}

/**
 * The same analysis of some samples, by their indices; the scales of the losses stay those of the whole batch. Undefined where nothing
 * would be gained, or where a node is not made for fewer samples: one that samples share and that has a row for each, or an op whose
 * sizes are not known to be those of samples.
 */
export function narrowed(analysis: Analysis, indices: readonly number[]): NarrowedAnalysis | undefined {
  const { samples, axes, losses, parameters } = analysis
  // Of as many samples a mismatch would not be noticed.
  if (indices.length >= samples) return undefined
  const made = new Map<AnyTensor, AnyTensor>()
  const labels = new Map<AnyTensor, SampleAxis>()
  for (const node of analysis.order) {
    const label = axes.of(node)
    const inputs = node.inputs.map((input) => made.get(input)!)
    const some = isLabel(label) ? ofSamples(node, inputs, label, indices, samples) : (label ?? node)
    if (some === undefined || !('op' in some)) return undefined
    made.set(node, some)
    labels.set(some, label)
  }
  const narrowedLosses = losses.map((loss) => ({ ...loss, output: made.get(loss.output) as Tensor }))
  const wholes = new Map(narrowedLosses.map((loss, i) => [loss, losses[i]!]))
  const found = namedMap(parameters.map((parameter) => [parameter, analysis.leaf(parameter)] as const))
  const leaves = new Set([...found].map(([, leaf]) => leaf))
  const order = topologicalOrder(narrowedLosses.map(({ output }) => output))
  const affected = dependents(order, (node) => leaves.has(node))
  const ownAxes = { of: (node: AnyTensor): SampleAxis => labels.get(node) }
  return {
    losses: narrowedLosses,
    samples: indices.length,
    order,
    affected,
    axes: ownAxes,
    entrances: (what) => {
      // The whole batch says whether it has any.
      analysis.entrances(what)
      return findEntrances(what, order, affected, ownAxes, indices.length, found)
    },
    whole: (loss) => wholes.get(loss)!,
  }
}

/** A node with samples, of some of them. */
function ofSamples(
  node: AnyTensor,
  inputs: readonly AnyTensor[],
  label: AxisLabel,
  indices: readonly number[],
  samples: number,
): AnyTensor | undefined {
  if (node.inputs.length === 0) return taken(node, label, indices, samples)
  const { axis, outer, inner } = label
  const shape = node.shape.map((size, i) => (i === axis ? outer * indices.length * inner : size))
  const isAlone = inputs.every((input, i) => input === node.inputs[i])
  if (isAlone && node.op.name !== 'expand') return undefined
  try {
    const rebuilt = rebuild(node, inputs, shape, axis)
    return rebuilt?.shape.every((size, i) => size === shape[i]) ? rebuilt : undefined
  } catch (error) {
    // Shapes that no longer go together: somebody else's rows are those of all samples.
    if (error instanceof BeyondgradError && error.code === 'shape') return undefined
    throw error
  }
}

function rebuild(
  node: AnyTensor,
  inputs: readonly AnyTensor[],
  shape: Shape,
  axis: number,
): AnyTensor | undefined {
  const { op, attributes } = node
  switch (op.name) {
    case 'reshape':
    case 'expand':
      // Refuses sizes that do not go together; but what it leaves as it is must be a node here, or a boundary would be gone.
      ;(op.name === 'reshape' ? reshape : expand)(inputs[0] as Tensor, shape)
      return build(op, inputs, { ...attributes, shape })
    case 'slice': {
      // All of the samples' axis, or it is not theirs any more.
      if (node.inputs[0]!.shape[axis] !== node.shape[axis]) return undefined
      return build(op, inputs, { ...attributes, counts: shape })
    }
    default:
      return build(op, inputs, attributes)
  }
}

/** Of a leaf the rows of some samples. */
function taken(
  leaf: AnyTensor,
  { axis, outer, inner }: AxisLabel,
  indices: readonly number[],
  samples: number,
): AnyTensor {
  const rows = Array.from({ length: outer }, (_, o) =>
    indices.flatMap((n) => Array.from({ length: inner }, (__, i) => (o * samples + n) * inner + i)),
  ).flat()
  return gatherAt(leaf as Tensor, constant(rows, 'int32'), axis)
}
