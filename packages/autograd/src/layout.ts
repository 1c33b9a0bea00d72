/**
 * @file The layouts of per-sample derivatives: at the op where a tensor that all samples share – the parameter's side –
 * meets one that has samples, the derivative takes its factored form, which one depends on the op.
 */
import {
  type AnyTensor,
  cast,
  constant,
  type Convolution,
  convolutionAttribute,
  equal,
  iota,
  mul,
  reshape,
  sizeOf,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  unfold,
  zeros,
} from '@beyondgrad/tensor'
import { type AxisLabel, openAxis } from './label.ts'
import { liftedVjp } from './pullback.ts'
import { ruleOf } from './rules/index.ts'
import type { Factors } from './use.ts'

/** Where a parameter's side enters the samples' side. */
export interface Boundary {
  readonly node: AnyTensor
  /** Which input of the node is the parameter's side. */
  readonly operand: number
  /** The sample axis of the node. */
  readonly label: AxisLabel
  readonly samples: number
}

/** A use's factors, and what their last axes mean. */
export interface Layout {
  readonly factors: Factors
  /** [...lead, layout of the factors] → [...lead, ...operand.shape]. */
  readonly toOperand: (result: Tensor, lead: number) => Tensor
  /** The transpose of `toOperand` without leading axes: [...operand.shape] → [G, O, I]. */
  readonly fromOperand?: (x: Tensor) => Tensor
  /** Σ over samples in the layout of the factors, by the op's own rule. */
  readonly total?: () => Tensor
  readonly key: number
}

/** Axes of a cotangent of columns are shifted by one. */
const shift = (columns: boolean): number => (columns ? 1 : 0)

/** [V?, ...shape] of the boundary node, or of what broadcasts to it, with the sample axis opened to [outer, N, inner]. */
function opened(x: Tensor, at: Boundary, columns: boolean): Tensor {
  const lead = shift(columns)
  return reshape(x, [...x.shape.slice(0, lead), ...openAxis(x.shape.slice(lead), at.label, at.samples)])
}

/** Moves the samples of an opened tensor to the front, behind the columns. */
function samplesFirst(open: Tensor, at: Boundary, columns: boolean): Tensor {
  const lead = shift(columns)
  const sampleAt = lead + at.label.axis + 1
  const others = open.shape.map((_, i) => i).filter((i) => i >= lead && i !== sampleAt)
  return transpose(open, [...(columns ? [0] : []), sampleAt, ...others])
}

/**
 * Brings the sample axis to the front and everything else but the last `tail` axes behind it into one axis of
 * positions: [V?, ...shape] → [V?, N, L, ...tail].
 */
function samplesAndPositions(x: Tensor, at: Boundary, tail: number, columns: boolean): Tensor {
  const moved = samplesFirst(opened(x, at, columns), at, columns)
  const rest = x.shape.slice(x.shape.length - tail)
  return reshape(moved, [...x.shape.slice(0, shift(columns)), at.samples, -1, ...rest])
}

/** z = x W with W [I, O] the same for all: [N, L, O] × [N, L, I]. */
function rightOperand(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x] = at.node.inputs as [Tensor]
  const g = samplesAndPositions(cotangent, at, 1, columns)
  const a = samplesAndPositions(x, at, 1, false)
  const operandShape = at.node.inputs[1]!.shape
  // [I, O] → [1, O, I]
  const rowsOut = (x: Tensor): Tensor => transposeLast(reshape(x, [1, a.shape[2]!, g.shape.at(-1)!]))
  return {
    factors: {
      kind: 'outer',
      cotangent: withGroupAxis(transposeLast(g), columns),
      input: withGroupAxis(transposeLast(a), false),
    },
    total: () => rowsOut(ruleTotal(at, cotangent)),
    fromOperand: rowsOut,
    toOperand: (result, lead) => {
      const [out, inner] = result.shape.slice(lead + 1)
      const matrix = reshape(result, [...result.shape.slice(0, lead), out!, inner!])
      return reshape(transposeLast(matrix), [...result.shape.slice(0, lead), ...operandShape])
    },
    key: 1,
  }
}

/** [V?, N, X, L] → [V?, N, 1, X, L]. */
function withGroupAxis(x: Tensor, columns: boolean): Tensor {
  const lead = 1 + shift(columns)
  return reshape(x, [...x.shape.slice(0, lead), 1, ...x.shape.slice(lead)])
}

/** z = conv(x, W): the input is unfolded into its windows. */
function convolutionWeight(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const [x, weight] = at.node.inputs as [Tensor, Tensor]
  const geometry: Convolution = convolutionAttribute(at.node.attributes)
  const { groups } = geometry
  const windows = unfold(x, geometryOnly(geometry))
  const positions = windows.shape[2]!
  const byGroup = (t: Tensor, lead: number): Tensor => {
    const channels = t.shape[lead + 1]!
    const head = t.shape.slice(0, lead)
    const { outer, inner } = at.label
    if (outer === 1 && inner === 1)
      return reshape(t, [...head, at.samples, groups, channels / groups, positions])
    const open = reshape(t, [...head, outer, at.samples, inner, groups, channels / groups, positions])
    const order = [1, 3, 4, 0, 2, 5].map((i) => i + lead)
    return reshape(transpose(open, [...head.map((_, i) => i), ...order]), [
      ...head,
      at.samples,
      groups,
      channels / groups,
      outer * inner * positions,
    ])
  }
  const lead = shift(columns)
  const flat = reshape(cotangent, [...cotangent.shape.slice(0, lead + 2), positions])
  const [out, ...inner] = weight.shape as [number, ...number[]]
  const rowsOut = (x: Tensor): Tensor => reshape(x, [groups, out / groups, sizeOf(inner)])
  return {
    factors: { kind: 'outer', cotangent: byGroup(flat, lead), input: byGroup(windows, 0) },
    total: () => rowsOut(ruleTotal(at, cotangent)),
    fromOperand: rowsOut,
    toOperand: (result, ahead) => reshape(result, [...result.shape.slice(0, ahead), ...weight.shape]),
    // Another number of groups is another layout.
    key: 2 + 8 * groups,
  }
}

/** The ordinary cotangent of the operand. */
function ruleTotal(at: Boundary, cotangent: Tensor): Tensor {
  const wanted = at.node.inputs.map((_, i) => i === at.operand)
  return ruleOf(at.node).vjp(at.node, cotangent, wanted)[at.operand]!
}

function geometryOnly({ kernel, stride, before, after, dilation }: Convolution): Omit<Convolution, 'groups'> {
  return { kernel, stride, before, after, dilation }
}

/** Per-sample sums of an elementwise cotangent over the axes that the operand does not have: [V?, N, ...operand]. */
function directSum(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const operand = at.node.inputs[at.operand]!.shape
  const lead = shift(columns)
  const { axis } = at.label
  const shape = at.node.shape
  const open = opened(cotangent, at, columns)
  const summed: number[] = [axis + lead, axis + 2 + lead]
  shape.forEach((size, i) => {
    if (i === axis) return
    const own = operand[i - (shape.length - operand.length)]
    if (own === undefined || (own === 1 && size !== 1)) summed.push(lead + i + (i > axis ? 2 : 0))
  })
  const axes = summed.filter((i) => open.shape[i] !== 1)
  const moved = samplesFirst(sum(open, axes, { keep: true }), at, columns)
  const perSample = reshape(moved, [...cotangent.shape.slice(0, lead), at.samples, ...operand])
  return { factors: { kind: 'direct', perSample }, toOperand: (x) => x, key: 3 }
}

/** Works for every op: the vjp of each sample's own part of the cotangent. N times the work of the others. */
function masked(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { node, operand, samples, label } = at
  const size = node.shape[label.axis]!
  const owner = Array.from({ length: size }, (_, i) => Math.floor(i / label.inner) % samples)
  const owners = reshape(constant(owner, 'int32'), [
    1,
    size,
    ...node.shape.slice(label.axis + 1).map(() => 1),
  ])
  const which = reshape(iota(samples), [samples, ...Array<number>(owners.shape.length - 1).fill(1)])
  const mask = reshape(cast(equal<'int32'>(owners, which), 'float32'), [
    samples,
    ...node.shape.map((_, i) => (i === label.axis ? size : 1)),
  ])
  const count = columns ? cotangent.shape[0]! : 1
  const spread = mul(reshape(cotangent, [count, 1, ...node.shape]), mask)
  const folded = reshape(spread, [count * samples, ...node.shape])
  const wanted = node.inputs.map((_, i) => i === operand)
  const shape = node.inputs[operand]!.shape
  // Where an op only looks at its operand (a mask, a choice of maxima), the derivative is zero.
  const result =
    liftedVjp(node, folded, count * samples, wanted)[operand] ?? zeros([count * samples, ...shape])
  const lead = columns ? [count, samples] : [samples]
  return {
    factors: { kind: 'direct', perSample: reshape(result, [...lead, ...shape]) },
    toOperand: (x) => x,
    key: 4,
  }
}

/** Whether the operand lacks the sample axis (or has it with size 1), so that it is broadcast over the samples. */
function isBroadcast(at: Boundary): boolean {
  const operand = at.node.inputs[at.operand]!.shape
  const own = operand[at.label.axis - (at.node.shape.length - operand.length)]
  return own === undefined || own === 1
}

function isSharedMatrix(at: Boundary): boolean {
  const { node, operand, label } = at
  const matrix = node.inputs[1]!.shape
  return (
    operand === 1 &&
    sizeOf(matrix.slice(0, -2)) === 1 &&
    label.axis < node.shape.length - 1 &&
    matrix.length <= node.shape.length
  )
}

/** The factors of one boundary's per-sample derivative, by the op that it is. */
export function layoutOf(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { node, operand } = at
  const rule = ruleOf(node)
  if (node.op.name === 'matmul' && isSharedMatrix(at)) return rightOperand(at, cotangent, columns)
  if (node.op.name === 'conv' && operand === 1 && at.label.axis === 0)
    return convolutionWeight(at, cotangent, columns)
  if (node.op.name === 'expand' && isBroadcast(at)) return directSum(at, cotangent, columns)
  if (rule.partial !== undefined && isBroadcast(at)) {
    const slope = rule.partial(node, operand)
    return directSum(at, mul(cotangent, slope), columns)
  }
  return masked(at, cotangent, columns)
}
