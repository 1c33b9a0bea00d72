/** @file Weights of convolutions and of transposed ones: one side is unfolded into its windows. */
import {
  type Convolution,
  convolutionAttribute,
  reshape,
  sizeOf,
  type Tensor,
  transpose,
  transposeLast,
  unfold,
} from '@beyondgrad/tensor'
import { ruleTotal, shift } from './boundary-axes.ts'
import type { Boundary, Layout } from './layout.ts'

/** [V?, outer·N·inner, channels, positions] → [V?, N, G, channels / G, outer·inner·positions]. */
function byGroup(x: Tensor, at: Boundary, groups: number, lead: number): Tensor {
  const [channels, positions] = x.shape.slice(lead + 1) as [number, number]
  const head = x.shape.slice(0, lead)
  const { outer, inner } = at.label
  if (outer === 1 && inner === 1)
    return reshape(x, [...head, at.samples, groups, channels / groups, positions])
  const open = reshape(x, [...head, outer, at.samples, inner, groups, channels / groups, positions])
  const order = [1, 3, 4, 0, 2, 5].map((i) => i + lead)
  return reshape(transpose(open, [...head.map((_, i) => i), ...order]), [
    ...head,
    at.samples,
    groups,
    channels / groups,
    outer * inner * positions,
  ])
}

const geometryOnly = ({
  kernel,
  stride,
  before,
  after,
  dilation,
}: Convolution): Omit<Convolution, 'groups'> => ({ kernel, stride, before, after, dilation })

/** [V?, S, C, ...spatial] → [V?, S, C, P]. */
const flatPositions = (x: Tensor, lead: number): Tensor =>
  reshape(x, [...x.shape.slice(0, lead + 2), sizeOf(x.shape.slice(lead + 2))])

/** z = conv(x, W): the input is unfolded into its windows. */
export function convolutionWeight(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x, weight] = at.node.inputs as [Tensor, Tensor]
  const geometry = convolutionAttribute(at.node.attributes)
  const { groups } = geometry
  const lead = shift(columns)
  const windows = unfold(x, geometryOnly(geometry))
  const [out, ...inner] = weight.shape as [number, ...number[]]
  const rowsOut = (y: Tensor): Tensor => reshape(y, [groups, out / groups, sizeOf(inner)])
  return {
    factors: {
      kind: 'outer',
      cotangent: byGroup(flatPositions(cotangent, lead), at, groups, lead),
      input: byGroup(windows, at, groups, 0),
    },
    total: () => rowsOut(ruleTotal(at, cotangent)),
    fromOperand: rowsOut,
    toOperand: (result, ahead) => reshape(result, [...result.shape.slice(0, ahead), ...weight.shape]),
    // Another number of groups is another layout.
    key: 2 + 8 * groups,
  }
}

/** z = convInput(x, W), the transposed convolution: the cotangent is unfolded, and x has a value at each position. */
export function transposedConvolutionWeight(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x, weight] = at.node.inputs as [Tensor, Tensor]
  const geometry = convolutionAttribute(at.node.attributes)
  const { groups } = geometry
  const lead = shift(columns)
  const planes = cotangent.shape.slice(lead + 1)
  const windows = unfold(reshape(cotangent, [-1, ...planes]), geometryOnly(geometry))
  const open = reshape(windows, [...cotangent.shape.slice(0, lead + 1), ...windows.shape.slice(1)])
  const [out, ...inner] = weight.shape as [number, ...number[]]
  // [O, C / G, ...kernel] ↔ [G, C / G · K, O / G]
  const windowsOut = (y: Tensor): Tensor => transposeLast(reshape(y, [groups, out / groups, sizeOf(inner)]))
  return {
    factors: {
      kind: 'outer',
      cotangent: byGroup(open, at, groups, lead),
      input: byGroup(flatPositions(x, 0), at, groups, 0),
    },
    total: () => windowsOut(ruleTotal(at, cotangent)),
    fromOperand: windowsOut,
    toOperand: (result, ahead) =>
      reshape(transposeLast(result), [...result.shape.slice(0, ahead), ...weight.shape]),
    key: 5 + 8 * groups,
  }
}
