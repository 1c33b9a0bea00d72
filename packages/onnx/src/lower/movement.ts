/** @file Movement operators. */
import type { Shape } from '@beyondgrad/tensor'
import { concat, expand, full, pad, slice } from './arrange.ts'
import type { Rules } from './rule.ts'

export const movementRules: Rules = {
  reshape: (node, [x], { emit }) => emit.reshape(x!, node.shape),
  transpose: (node, [x], { emit }) => emit.transpose(x!, node.attributes.permutation as readonly number[]),
  expand: (node, [x], { emit }) => expand(emit, x!, node.shape),
  slice: (node, [x], { emit }) => {
    const { starts, counts, steps } = node.attributes as unknown as Record<string, Shape>
    return slice(
      emit,
      x!,
      node.shape.map((_, axis) => ({
        axis,
        start: starts![axis]!,
        count: counts![axis]!,
        step: steps![axis]!,
      })),
    )
  },
  pad: (node, [x], { emit }) => {
    const { before, after, value } = node.attributes as unknown as {
      before: Shape
      after: Shape
      value: number
    }
    if (x!.shape.includes(0)) return full(emit, node.dtype, node.shape, value)
    return pad(emit, x!, before, after, value)
  },
  concat: (node, inputs, { emit }) =>
    concat(
      emit,
      inputs.filter(({ shape }) => !shape.includes(0)),
      node.attributes.axis as number,
    ),
}
