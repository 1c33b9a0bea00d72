/** @file A word from whoever knows better: which axis counts the samples, where labels cannot see it. */
import { type AnyTensor, normalizeAxis, type Tensor } from '@beyondgrad/tensor'
import { defineOp } from './define-op.ts'

const name = 'beyondgrad:assumeBatchAxis'

const assumed = /* @__PURE__ */ defineOp({
  name,
  expand: ([x]) => x!,
  rule: {
    curvature: 'none',
    selects: true,
    vjp: (_node, g) => [g],
    labels: {
      forward: (_node, [label]) => label!,
      backward: (_node, label) => label,
    },
  },
})

/** The axis that somebody has vouched for, for every node that it was said of. */
export function assumedAxes(order: readonly AnyTensor[]): ReadonlyMap<AnyTensor, number> {
  const found = new Map<AnyTensor, number>()
  for (const { op, inputs, attributes } of order) {
    if (op.name === name) found.set(inputs[0]!, attributes.axis as number)
  }
  return found
}

/**
 * x itself, with the word that index i of `axis` belongs to sample i: for what the labels of the sample axis cannot see
 * through, such as a permutation of the samples that is undone later. Nothing checks it: if it is wrong, so are all
 * per-sample quantities.
 */
export function assumeBatchAxis(x: Tensor, axis = 0): Tensor {
  return assumed([x], { axis: normalizeAxis('assumeBatchAxis', axis, x.shape.length) })
}
