/** @file Movement operators. */
import type { Shape } from '@beyondgrad/tensor'
import { concat, expand, full, lastSwapped, pad, slice } from './arrange.ts'
import { product } from './contract.ts'
import type { Rule, Rules } from './rule.ts'

const transpose: Rule = (node, [x], lowering) => {
  const { emit } = lowering
  const permutation = node.attributes.permutation as readonly number[]
  const [of] = node.inputs
  const swaps = lastSwapped(permutation.length).every((axis, i) => axis === permutation[i])
  if (of!.op.name === 'matmul' && swaps && lowering.uses(of!) === 1) {
    // (a · b)ᵀ = bᵀ · aᵀ, where the swapped operands are read in place.
    const [a, b] = of!.inputs.map((input) => lowering.value(input))
    return product(emit, b!, a!, { a: true, b: true })
  }
  return emit.transpose(x!, permutation)
}

export const movementRules: Rules = {
  reshape: (node, [x], { emit }) => emit.reshape(x!, node.shape),
  transpose,
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
