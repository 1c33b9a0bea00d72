/**
 * @file Sample-axis labels: which axis of a tensor counts the samples. A label (axis, outer, inner) says that the
 * axis has size outer · N · inner and that index i belongs to sample ⌊i / inner⌋ mod N.
 */
import { type Shape, sizeOf } from '@beyondgrad/tensor'

/** Says that index i of `axis` belongs to sample ⌊i / inner⌋ mod N. */
export interface AxisLabel {
  readonly axis: number
  readonly outer: number
  readonly inner: number
}

/** The shape with the labelled axis as three, [outer, N, inner]: the samples are on axis `label.axis + 1`. */
export function openAxis(shape: Shape, { axis, outer, inner }: AxisLabel, samples: number): number[] {
  return [...shape.slice(0, axis), outer, samples, inner, ...shape.slice(axis + 1)]
}

export function equalLabels(a: AxisLabel, b: AxisLabel): boolean {
  return a.axis === b.axis && a.outer === b.outer && a.inner === b.inner
}

/** Equal labels join, unequal ones mix; undefined is shared. */
export function joinLabels(labels: readonly (AxisLabel | undefined)[]): AxisLabel | 'mixed' | undefined {
  let joined: AxisLabel | undefined
  for (const label of labels) {
    if (label === undefined) continue
    if (joined === undefined) joined = label
    else if (!equalLabels(joined, label)) return 'mixed'
  }
  return joined
}

/**
 * The label after a reshape, which keeps the elements before and after the samples: outer times the sizes before
 * the axis, inner times those after it.
 */
export function reshapeLabel(
  label: AxisLabel,
  from: Shape,
  to: Shape,
  samples: number,
): AxisLabel | undefined {
  const outer = sizeOf(from.slice(0, label.axis)) * label.outer
  const inner = label.inner * sizeOf(from.slice(label.axis + 1))
  // With one sample several axes fit; one that holds just the samples is preferred over a longer one.
  let found: AxisLabel | undefined
  for (let axis = 0, before = 1; axis < to.length; axis++) {
    const after = sizeOf(to.slice(axis + 1))
    if (outer % before === 0 && inner % after === 0) {
      if ((outer / before) * samples * (inner / after) === to[axis]) {
        if (found === undefined || to[axis] === samples) {
          found = { axis, outer: outer / before, inner: inner / after }
        }
        if (to[axis] === samples) return found
      }
    }
    before *= to[axis]!
  }
  return found
}
