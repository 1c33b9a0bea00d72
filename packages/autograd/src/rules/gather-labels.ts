/** @file How indexing and sorting pass the sample axis on. */
import type { AnyTensor } from '@beyondgrad/tensor'
import { type AxisLabel, joinLabels } from '../label.ts'
import type { LabelRule } from './rule.ts'

const axisOf = (node: AnyTensor): number => node.attributes.axis as number

/** Axes that the indices of a `gather` or `scatterAdd` have. */
const places = (node: AnyTensor): number => node.inputs[1]!.shape.length

/** A label of the side with one axis, on the side that has the places there instead. */
function opened(label: AxisLabel, axis: number, count: number): AxisLabel {
  return label.axis < axis ? label : { ...label, axis: label.axis + count - 1 }
}

/** The other way round; undefined if the label is among the places. */
function closed(label: AxisLabel, axis: number, count: number): AxisLabel | undefined {
  if (label.axis < axis) return label
  return label.axis < axis + count ? undefined : { ...label, axis: label.axis - count + 1 }
}

/** The label of the indices, for one of the side that has the places. */
function ofPlaces(label: AxisLabel, axis: number, count: number): AxisLabel | undefined {
  const at = label.axis - axis
  return at >= 0 && at < count ? { ...label, axis: at } : undefined
}

/** Samples' own indices into a shared table give samples; shared indices keep what stands beside the axis. */
export const gatherLabels: LabelRule = {
  forward: (node, [data, indices]) => {
    const axis = axisOf(node)
    if (data === undefined) return { ...indices!, axis: indices!.axis + axis }
    if (indices !== undefined) return 'mixed'
    // Which sample an entry comes from is up to the indices.
    return data.axis === axis ? 'opaque' : opened(data, axis, places(node))
  },
  backward: (node, label, i) =>
    i === 0 ? closed(label, axisOf(node), places(node)) : ofPlaces(label, axisOf(node), places(node)),
}

/** Places of all samples add up in one. */
export const scatterAddLabels: LabelRule = {
  forward: (node, [updates, indices]) => {
    if (indices !== undefined) return 'mixed'
    return closed(updates!, axisOf(node), places(node)) ?? 'mixed'
  },
  backward: (node, label, i) =>
    i === 0 && label.axis !== axisOf(node) ? opened(label, axisOf(node), places(node)) : undefined,
}

export const gatherElementsLabels: LabelRule = {
  forward: (node, [data, indices]) => {
    if (data?.axis !== axisOf(node)) return joinLabels([data, indices])!
    return indices === undefined ? 'opaque' : 'mixed'
  },
  backward: (node, label, i) => (i === 0 && label.axis === axisOf(node) ? undefined : label),
}

export const scatterElementsAddLabels: LabelRule = {
  forward: (node, labels) =>
    labels.some((label) => label?.axis === axisOf(node)) ? 'mixed' : joinLabels(labels)!,
  backward: (node, label) => (label.axis === axisOf(node) ? undefined : label),
}

/** Elements along the axis are compared with each other. */
export const topLabels: LabelRule = {
  forward: (node, [label]) => (label!.axis === axisOf(node) ? 'mixed' : label!),
  backward: (node, label) => (label.axis === axisOf(node) ? undefined : label),
}

const isReversed = (node: AnyTensor, label: AxisLabel): boolean =>
  (node.attributes.axes as readonly number[]).includes(label.axis)

export const flipLabels: LabelRule = {
  forward: (node, [label]) => (isReversed(node, label!) ? 'opaque' : label!),
  backward: (node, label) => (isReversed(node, label) ? undefined : label),
}
