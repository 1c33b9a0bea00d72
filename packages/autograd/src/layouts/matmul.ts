/**
 * @file Weights of matrix products, on either side, with axes of their own (heads, experts) or without. Everything is
 * seen as z = x W: a weight on the left is one on the right of the transposed product.
 */
import {
  expand,
  reshape,
  type Shape,
  sizeOf,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'
import { opened, shift } from './boundary-axes.ts'
import type { Boundary, Layout } from './layout.ts'

/** z = x W, or zᵀ = xᵀ Wᵀ. */
interface Product {
  readonly at: Boundary
  readonly x: Tensor
  /** Batch axes of W as z has them, 1 where W is the same for all. */
  readonly batch: Shape
  /** The last axis of x, and that of z. */
  readonly inner: number
  readonly out: number
}

function productOf(at: Boundary): Product {
  const { node, operand } = at
  const rank = node.shape.length
  const [weight, other] = [node.inputs[operand]!.shape, node.inputs[1 - operand] as Tensor]
  const batch = [...Array<number>(rank - weight.length).fill(1), ...weight.slice(0, -2)]
  if (operand === 1) return { at, x: other, batch, inner: weight.at(-2)!, out: weight.at(-1)! }
  const { axis } = at.label
  const swapped = axis < rank - 2 ? axis : 2 * rank - 3 - axis
  const turned = { ...at, label: { ...at.label, axis: swapped } }
  return { at: turned, x: transposeLast(other), batch, inner: weight.at(-1)!, out: weight.at(-2)! }
}

/** Whether the samples are rows of x, or on an axis before them that W lacks. */
export function isSharedWeight(boundary: Boundary): boolean {
  const { at, batch } = productOf(boundary)
  return at.label.axis < at.node.shape.length - 1 && (batch[at.label.axis] ?? 1) === 1
}

/** The weight's axes of its own are groups, everything else but the samples are positions. */
export function matmulWeight(boundary: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { at, x, batch, inner, out } = productOf(boundary)
  const z = boundary.operand === 1 ? cotangent : transposeLast(cotangent)
  const groups = sizeOf(batch)
  const shape = boundary.node.inputs[boundary.operand]!.shape
  const isLeft = boundary.operand === 0
  // [..., I, O], or [..., O, I] on the left ↔ [G, O, I]
  const rowsOut = (y: Tensor): Tensor =>
    isLeft ? reshape(y, [groups, out, inner]) : transposeLast(reshape(y, [groups, inner, out]))
  return {
    factors: {
      kind: 'outer',
      cotangent: byGroup(z, at, batch, columns),
      input: byGroup(spread(x, batch), at, batch, false),
    },
    fromOperand: rowsOut,
    toOperand: (result, lead) =>
      reshape(isLeft ? result : transposeLast(result), [...result.shape.slice(0, lead), ...shape]),
    key: (isLeft ? 6 : 1) + 8 * groups,
  }
}

/** x with the axes that W has and x lacks. */
function spread(x: Tensor, batch: Shape): Tensor {
  const lead = batch.length - (x.shape.length - 2)
  const own = batch.map((size, i) => Math.max(size, i < lead ? 1 : x.shape[i - lead]!))
  return expand(x, [...own, ...x.shape.slice(-2)])
}

/** [V?, ...batch, rows, X] → [V?, N, G, X, L]. */
function byGroup(x: Tensor, at: Boundary, batch: Shape, columns: boolean): Tensor {
  const lead = shift(columns)
  const open = opened(x, at, columns)
  const { axis } = at.label
  // Behind the opened axis places have moved by two.
  const place = (i: number): number => lead + (i > axis ? i + 2 : i)
  const groupAxes = batch.flatMap((size, i) => (size > 1 ? [place(i)] : []))
  const [sampleAt, last] = [lead + axis + 1, open.shape.length - 1]
  const positions = open.shape
    .map((_, i) => i)
    .filter((i) => i >= lead && i !== sampleAt && i !== last && !groupAxes.includes(i))
  const front = columns ? [0] : []
  const moved = transpose(open, [...front, sampleAt, ...groupAxes, last, ...positions])
  return reshape(moved, [
    ...x.shape.slice(0, lead),
    at.samples,
    sizeOf(batch),
    x.shape.at(-1)!,
    sizeOf(positions.map((i) => open.shape[i]!)),
  ])
}
