/** @file The label rules that ops have in common. */
import type { AnyTensor, Shape } from '@beyondgrad/tensor'
import { type AxisLabel, joinLabels, reshapeLabel } from '../label.ts'
import type { LabelRule } from './rule.ts'

const joined = (labels: readonly (AxisLabel | undefined)[]): AxisLabel | 'mixed' => joinLabels(labels)!

const shifted = (label: AxisLabel | undefined, by: number): AxisLabel | undefined =>
  label && { ...label, axis: label.axis + by }

/** Operands broadcast: axes are counted from the end. */
export const broadcastLabels: LabelRule = {
  forward: (node, labels) => {
    const aligned = labels.map((label, i) => shifted(label, node.shape.length - node.inputs[i]!.shape.length))
    const result = joined(aligned)
    // A labelled axis of size 1 (one sample) that is broadcast over something else no longer counts samples.
    if (result === 'mixed') return result
    const broken = labels.some((label, i) => {
      if (label === undefined) return false
      return node.inputs[i]!.shape[label.axis] !== node.shape[result.axis]
    })
    return broken ? 'opaque' : result
  },
  backward: (node, label, i) => {
    const input = node.inputs[i]!.shape
    const axis = label.axis - (node.shape.length - input.length)
    // With one sample an axis of size 1 may be broadcast or the sample's own: taken for its own, it is right both ways.
    if (axis < 0 || input[axis] !== node.shape[label.axis]) return undefined
    return { ...label, axis }
  },
}

/** Everything but the given axes passes; the label's axis must not be among them. */
export const reductionLabels: LabelRule = {
  forward: (node, [label]) => {
    const axes = node.attributes.axes as readonly number[]
    if (axes.includes(label!.axis)) return 'mixed'
    const before = node.attributes.keep ? 0 : axes.filter((axis) => axis < label!.axis).length
    return { ...label!, axis: label!.axis - before }
  },
  backward: (node, label) => {
    const axes = node.attributes.axes as readonly number[]
    if (node.attributes.keep) return axes.includes(label.axis) ? undefined : label
    let axis = label.axis
    for (const gone of axes) if (gone <= axis) axis++
    return { ...label, axis }
  },
}

/** Every element depends on others along the op's axis, and on its own place everywhere else. */
export const scanLabels: LabelRule = {
  forward: (node, [label]) => (label!.axis === node.attributes.axis ? 'mixed' : label!),
  backward: (node, label) => (label.axis === node.attributes.axis ? undefined : label),
}

export const reshapeLabels: LabelRule = {
  forward: (node, [label], samples) =>
    reshapeLabel(label!, node.inputs[0]!.shape, node.shape, samples) ?? 'opaque',
  backward: (node, label, _i, samples) => reshapeLabel(label, node.shape, node.inputs[0]!.shape, samples),
}

const permutationOf = (node: AnyTensor): readonly number[] => node.attributes.permutation as readonly number[]

export const transposeLabels: LabelRule = {
  forward: (node, [label]) => ({ ...label!, axis: permutationOf(node).indexOf(label!.axis) }),
  backward: (node, label) => ({ ...label, axis: permutationOf(node)[label.axis]! }),
}

/** Slices and pads: the label's axis must stay whole, or lose and gain whole rounds of samples. */
function resized(
  label: AxisLabel,
  size: number,
  start: number,
  step: number,
  samples: number,
): AxisLabel | undefined {
  const round = samples * label.inner
  if (step !== 1 || start % round !== 0 || size % round !== 0) return undefined
  return { ...label, outer: size / round }
}

export const sliceLabels: LabelRule = {
  forward: (node, [label], samples) => {
    const { starts, counts, steps } = node.attributes as Record<string, readonly number[]>
    const { axis } = label!
    return resized(label!, counts![axis]!, starts![axis]!, steps![axis]!, samples) ?? 'opaque'
  },
  backward: (node, label, _i, samples) => {
    const { starts, steps } = node.attributes as Record<string, readonly number[]>
    const { axis } = label
    return resized(label, node.inputs[0]!.shape[axis]!, starts![axis]!, steps![axis]!, samples)
  },
}

export const padLabels: LabelRule = {
  forward: (node, [label], samples) => {
    const before = node.attributes.before as readonly number[]
    return resized(label!, node.shape[label!.axis]!, before[label!.axis]!, 1, samples) ?? 'opaque'
  },
  backward: (node, label, _i, samples) => {
    const before = node.attributes.before as readonly number[]
    return resized(label, node.inputs[0]!.shape[label.axis]!, before[label.axis]!, 1, samples)
  },
}

export const concatLabels: LabelRule = {
  forward: (node, labels) => {
    const axis = node.attributes.axis as number
    if (!labels.some((label) => label?.axis === axis)) return joined(labels)
    const [first] = labels
    if (labels.some((label) => label?.axis !== axis || label.inner !== first!.inner)) return 'opaque'
    return { axis, inner: first!.inner, outer: labels.reduce((outer, label) => outer + label!.outer, 0) }
  },
  backward: (node, label, i, samples) => {
    if (label.axis !== node.attributes.axis) return label
    const start = node.inputs.slice(0, i).reduce((at, x) => at + x.shape[label.axis]!, 0)
    return resized(label, node.inputs[i]!.shape[label.axis]!, start, 1, samples)
  },
}

export const matmulLabels: LabelRule = {
  forward: (node, [a, b]) => {
    const [x, y] = node.inputs as [AnyTensor, AnyTensor]
    const rank = node.shape.length
    if (a?.axis === x.shape.length - 1 || b?.axis === y.shape.length - 2) return 'mixed'
    const result = joined([shifted(a, rank - x.shape.length), shifted(b, rank - y.shape.length)])
    if (result === 'mixed') return result
    const broken = (label: AxisLabel | undefined, shape: Shape): boolean =>
      label !== undefined && shape[label.axis] !== node.shape[result.axis]
    return broken(a, x.shape) || broken(b, y.shape) ? 'opaque' : result
  },
  backward: (node, label, i) => {
    const input = node.inputs[i]!.shape
    const rank = node.shape.length
    // Rows come from the first operand only, columns from the second.
    if (label.axis === (i === 0 ? rank - 1 : rank - 2)) return undefined
    const axis = label.axis - (rank - input.length)
    if (axis < 0 || input[axis] !== node.shape[label.axis]) return undefined
    return { ...label, axis }
  },
}

/** Window ops on [samples, channels, …]: only the first axis passes. */
export const sampleAxisLabels: LabelRule = {
  forward: (node, labels) => {
    const result = joined(labels)
    if (result === 'mixed') return result
    return result.axis === 0 ? result : 'opaque'
  },
  backward: (_node, label) => (label.axis === 0 ? label : undefined),
}

/** Convolutions: the second operand is the weight (or what a rule made of one). */
export const convolutionLabels: LabelRule = {
  forward: (_node, [a, b]) => {
    if (b !== undefined) return 'opaque'
    return a!.axis === 0 ? a! : 'opaque'
  },
  backward: (_node, label, i) => (i === 0 && label.axis === 0 ? label : undefined),
}

/** convWeight sums over the samples. */
export const summingLabels: LabelRule = {
  forward: (_node, labels) => (labels.some((label) => label?.axis === 0) ? 'mixed' : 'opaque'),
  backward: () => undefined,
}

/** Selections (x, t): t may have axes before the samples of x. */
export const selectionLabels: LabelRule = {
  forward: (node, [x, t]) => {
    const lead = node.inputs[1]!.shape.length - node.inputs[0]!.shape.length
    const result = joined([shifted(x, lead), t])
    if (result === 'mixed') return result
    return result.axis <= lead ? result : 'opaque'
  },
  backward: (node, label, i) => {
    const lead = node.inputs[1]!.shape.length - node.inputs[0]!.shape.length
    if (label.axis > lead) return undefined
    if (i === 1) return label
    return label.axis === lead ? { ...label, axis: 0 } : undefined
  },
}

/** A guard hands its first input on. */
export const guardLabels: LabelRule = {
  forward: (_node, [value]) => value ?? 'opaque',
  backward: (_node, label, i) => (i === 0 ? label : undefined),
}
