/**
 * @file Finding the samples: labels run backward from the losses to the leaves, forward from there to every node,
 * and backward again to what is shared forward but used for one sample each (an expanded class token).
 */
import { type AnyTensor, BeyondgradError, formatShape, normalizeAxis } from '@beyondgrad/tensor'
import { assumedAxes } from './assume-batch-axis.ts'
import { type AxisLabel, equalLabels } from './label.ts'
import { ruleOf } from './rules/index.ts'

/** Why a node has no usable sample axis. */
export interface Obstacle {
  readonly kind: 'mixed' | 'opaque'
  /** The op at which the samples met. */
  readonly at: AnyTensor
}

export type SampleAxis = AxisLabel | Obstacle | undefined

export interface SampleAxes {
  /** Undefined for nodes that all samples share. */
  of(node: AnyTensor): SampleAxis
}

export const isLabel = (axis: SampleAxis): axis is AxisLabel => axis !== undefined && 'axis' in axis

/** Leaves that can hold samples; constants and parameters are shared until they are used otherwise. */
const holdsData = (node: AnyTensor): boolean => ['data', 'placeholder', 'random'].includes(node.op.name)

const wholeAxis = (axis: number): AxisLabel => ({ axis, outer: 1, inner: 1 })

/**
 * @param order the graph up to the losses' outputs, inputs first
 * @param outputs what the losses look at: axis 0 counts the samples
 * @param given nodes with a sample axis of another number
 */
export function findSampleAxes(
  order: readonly AnyTensor[],
  outputs: readonly AnyTensor[],
  samples: number,
  given: ReadonlyMap<AnyTensor, number> = new Map(),
): SampleAxes {
  const demanded = new Map<AnyTensor, AxisLabel>(outputs.map((output) => [output, wholeAxis(0)]))
  demandBackward(order, demanded, samples)
  const axes = new Map<AnyTensor, SampleAxis>()
  const told = new Map([...assumedAxes(order), ...given])
  for (const node of order) axes.set(node, forward(node, axes, demanded, samples, told))
  claimShared(order, outputs, axes, samples)
  return { of: (node) => axes.get(node) }
}

/**
 * What is shared forward belongs to the samples from where everybody who uses it takes a row for each sample: an
 * expanded class token, a learned output. A single user who looks at all rows, and its cotangent is nobody's own.
 */
function claimShared(
  order: readonly AnyTensor[],
  outputs: readonly AnyTensor[],
  axes: Map<AnyTensor, SampleAxis>,
  samples: number,
): void {
  const claims = new Map<AnyTensor, AxisLabel | 'none'>(outputs.map((output) => [output, wholeAxis(0)]))
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at]!
    const claim = claims.get(node)
    if (axes.get(node) === undefined && node.inputs.length > 0 && claim !== 'none') axes.set(node, claim)
    const axis = axes.get(node)
    node.inputs.forEach((input, i) => {
      if (axes.get(input) !== undefined) return
      const passed = isLabel(axis) ? ruleOf(node).labels.backward(node, axis, i, samples) : undefined
      const before = claims.get(input)
      const agreed = before === undefined || (before !== 'none' && passed && equalLabels(before, passed))
      claims.set(input, agreed && passed ? passed : 'none')
    })
  }
}

/** Hands labels from users to inputs; the first user to speak decides, a contradiction shows in the forward pass. */
function demandBackward(
  order: readonly AnyTensor[],
  labels: Map<AnyTensor, AxisLabel>,
  samples: number,
): void {
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at]!
    const label = labels.get(node)
    if (label === undefined || node.inputs.length === 0) continue
    const { labels: rule } = ruleOf(node)
    node.inputs.forEach((input, i) => {
      if (labels.has(input)) return
      const passed = rule.backward(node, label, i, samples)
      if (passed !== undefined) labels.set(input, passed)
    })
  }
}

function forward(
  node: AnyTensor,
  axes: ReadonlyMap<AnyTensor, SampleAxis>,
  demanded: ReadonlyMap<AnyTensor, AxisLabel>,
  samples: number,
  given: ReadonlyMap<AnyTensor, number>,
): SampleAxis {
  const wanted = given.get(node)
  if (wanted !== undefined) {
    const set = normalizeAxis('samples', wanted, node.shape.length)
    if (node.shape[set] !== samples) {
      throw new BeyondgradError(
        'value',
        `samples: axis ${set} of a tensor of shape ${formatShape(node.shape)} does not count ${samples} samples`,
      )
    }
    return wholeAxis(set)
  }
  if (node.inputs.length === 0) return holdsData(node) ? demanded.get(node) : undefined
  const inputs = node.inputs.map((input) => axes.get(input))
  const obstacle = inputs.find((axis) => axis !== undefined && !isLabel(axis))
  if (obstacle !== undefined) return obstacle
  if (inputs.every((axis) => axis === undefined)) return undefined
  const result = ruleOf(node).labels.forward(
    node,
    inputs.filter(isLabel).length ? inputs.map(labelOrNone) : [],
    samples,
  )
  if (typeof result !== 'string') return result
  // A single sample meets no other: all positions are its own, whatever the op does to the axis.
  if (samples === 1 && node.shape.length > 0) return { axis: 0, outer: node.shape[0]!, inner: 1 }
  return { kind: result, at: node }
}

const labelOrNone = (axis: SampleAxis): AxisLabel | undefined => (isLabel(axis) ? axis : undefined)

/** The label of a node that must have one; otherwise an error that names the op where the samples were lost. */
export function requireLabel(axes: SampleAxes, node: AnyTensor, what: string): AxisLabel | undefined {
  const axis = axes.of(node)
  if (axis === undefined || isLabel(axis)) return axis
  const { kind, at } = axis
  const shapes = at.inputs.map((input) => formatShape(input.shape)).join(', ')
  throw new BeyondgradError(
    kind === 'mixed' ? 'mixed-samples' : 'unsupported',
    kind === 'mixed'
      ? `${what}: op "${at.op.name}" on ${shapes} mixes samples, so that no sample has a contribution of its own`
      : `${what}: op "${at.op.name}" on ${shapes} hides which axis counts the samples; if you know it, say so with assumeBatchAxis() around its result`,
  )
}

/** The losses read the samples off axis 0 of the outputs; throws if the labels say that they are somewhere else. */
export function requireOutputs(
  axes: SampleAxes,
  outputs: readonly AnyTensor[],
  samples: number,
  what: string,
): void {
  for (const output of outputs) {
    const label = requireLabel(axes, output, what)
    if (label === undefined) {
      throw new BeyondgradError(
        'unsupported',
        `${what}: what the loss looks at (op "${output.op.name}", ${formatShape(output.shape)}) is used by all samples together, so that no sample has a row of its own`,
      )
    }
    // One sample is on every axis.
    if (samples === 1 || equalLabels(label, wholeAxis(0))) continue
    throw new BeyondgradError(
      'unsupported',
      `${what}: axis 0 of what the loss looks at, ${formatShape(output.shape)}, must count the ${samples} samples, but the labels say that axis ${label.axis} does; transpose it first, or correct the option samples`,
    )
  }
}
