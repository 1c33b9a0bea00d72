/** @file Rules of reductions, movement, guards and matrix products. */
import {
  type AnyTensor,
  cast,
  checkOf,
  cumsum,
  div,
  equal,
  expand,
  guard,
  matmul,
  mul,
  pad,
  reshape,
  type Shape,
  sizeOf,
  slice,
  sum,
  sumTo,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'
import {
  broadcastLabels,
  concatLabels,
  guardLabels,
  matmulLabels,
  padLabels,
  reductionLabels,
  reshapeLabels,
  scanLabels,
  sliceLabels,
  transposeLabels,
} from './labels.ts'
import type { Rule } from './rule.ts'

const shapeOf = (node: AnyTensor, i = 0): Shape => node.inputs[i]!.shape

/** The shape with reduced axes left as ones. */
function kept(node: AnyTensor): number[] {
  const axes = node.attributes.axes as readonly number[]
  return shapeOf(node).map((d, i) => (axes.includes(i) ? 1 : d))
}

/** Spreads elements out along an axis: step - 1 zeros after each but the last. */
export function dilate(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)]
  const size = x.shape[axis]!
  const open = reshape(x, [...before, size, 1, ...after])
  const zero = open.shape.map(() => 0)
  const padded = reshape(pad(open, zero, zero.with(axis + 1, step - 1)), [...before, size * step, ...after])
  return slice(padded, axis, 0, size === 0 ? 0 : (size - 1) * step + 1)
}

/** Ties share the cotangent equally. */
const extremum: Rule = {
  labels: reductionLabels,
  curvature: 'none',
  vjp: (node, g) => {
    const x = node.inputs[0] as Tensor
    const hit = cast(equal(x, reshape(node as Tensor, kept(node))), x.dtype)
    const count = sum(hit, node.attributes.axes as readonly number[], { keep: true })
    return [mul(div(hit, count), reshape(g, kept(node)))]
  },
}

export const structuralRules: Readonly<Record<string, Rule>> = {
  sum: {
    labels: reductionLabels,
    curvature: 'none',
    vjp: (node, g) => [expand(reshape(g, kept(node)), shapeOf(node))],
  },
  max: extremum,
  min: extremum,
  cumsum: {
    labels: scanLabels,
    curvature: 'none',
    vjp: (node, g) => {
      const { axis, exclusive, reverse } = node.attributes as {
        axis: number
        exclusive: boolean
        reverse: boolean
      }
      return [cumsum(g, axis, { exclusive, reverse: !reverse })]
    },
  },
  argmax: { labels: reductionLabels, curvature: 'none', vjp: () => [undefined] },
  // Only the forward pass is computed again.
  checkpoint: { labels: guardLabels, curvature: 'none', selects: true, vjp: (_node, g) => [g] },
  turn: { labels: guardLabels, curvature: 'none', selects: true, vjp: (_node, g) => [g] },
  // The check goes on to the cotangent, so that derivatives of a guarded loss are guarded, too.
  guard: {
    labels: guardLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [guard(g, node.inputs[1]!, checkOf(node)), undefined],
  },
  reshape: {
    labels: reshapeLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [reshape(g, shapeOf(node))],
  },
  transpose: {
    labels: transposeLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => {
      const permutation = node.attributes.permutation as readonly number[]
      return [
        transpose(
          g,
          permutation.map((_, axis) => permutation.indexOf(axis)),
        ),
      ]
    },
  },
  expand: { labels: broadcastLabels, curvature: 'none', vjp: (node, g) => [sumTo(g, shapeOf(node))] },
  slice: {
    labels: sliceLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => {
      const { starts, steps } = node.attributes as Record<string, readonly number[]>
      const spread = steps!.reduce((x, step, axis) => dilate(x, axis, step), g)
      const after = shapeOf(node).map((d, axis) => d - starts![axis]! - spread.shape[axis]!)
      return [pad(spread, starts!, after)]
    },
  },
  pad: {
    labels: padLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => {
      const before = node.attributes.before as readonly number[]
      const cut = before.reduce((x, start, axis) => slice(x, axis, start, start + shapeOf(node)[axis]!), g)
      return [cut]
    },
  },
  concat: {
    labels: concatLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g, wanted) => {
      const axis = node.attributes.axis as number
      let start = 0
      return node.inputs.map(({ shape }, i) => {
        const from = start
        start += shape[axis]!
        return wanted[i] ? slice(g, axis, from, start) : undefined
      })
    },
  },
  matmul: {
    labels: matmulLabels,
    curvature: 'bilinear',
    vjp: (node, g, wanted) => {
      const [a, b] = node.inputs as [Tensor, Tensor]
      return [
        wanted[0] ? sumTo(matmul(g, transposeLast(b)), a.shape) : undefined,
        wanted[1] ? secondOperand(a, g, b.shape) : undefined,
      ]
    },
  },
}

/** aᵀ g, with leading axes that b lacks flattened into one long product instead of summed afterwards. */
function secondOperand(a: Tensor, g: Tensor, shape: Shape): Tensor {
  const sameBatch =
    a.shape.slice(0, -2).every((d, i) => d === g.shape[i]) && a.shape.length === g.shape.length
  if (shape.length === 2 && sameBatch) {
    // Not -1: with an empty last axis the number of rows can't be told from the number of elements.
    const rows = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!])
    return matmul(transposeLast(rows(a)), rows(g))
  }
  return sumTo(matmul(transposeLast(a), g), shape)
}
