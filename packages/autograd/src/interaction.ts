/**
 * @file Where two inputs of an op depend on one parameter – a gate, an attention product, a weight that meets itself –
 * the op's second derivative between the two counts. It is written as weighted columns that start at both inputs at once:
 * per entry K = (f_aa − f_ab) aaᵀ + (f_bb − f_ab) bbᵀ + f_ab (a + b)(a + b)ᵀ for an elementwise op, and
 * u wᵀ + w uᵀ = ½ (u + w)(u + w)ᵀ − ½ (u − w)(u − w)ᵀ for a product of matrices (quantities spec, section 7).
 */
import {
  abs,
  type AnyTensor,
  cast,
  concat,
  constant,
  div,
  equal,
  expand,
  iota,
  matmul,
  max,
  mul,
  reshape,
  type Shape,
  sizeOf,
  sqrt,
  sum,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'
import { type AxisLabel, openAxis } from './label.ts'
import type { Partial } from './rules/rule.ts'

/** Columns that start at several inputs of a node together. */
export interface JointColumns {
  readonly total: number
  /** One number for all, or [total, N]. */
  readonly weight: Tensor
  /**
   * Columns `from` up to `to`, for each input of the node: cotangents [V, ...input.shape] where the input has the samples,
   * per-sample sums [V, N, ...input.shape] where all samples share it; undefined where the input takes no part.
   */
  readonly at: (from: number, to: number) => readonly (Tensor | undefined)[]
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** The axes of a shape with the samples on an axis of their own, and how to put that axis last. */
function openedSamples(
  shape: Shape,
  label: AxisLabel,
  samples: number,
): { readonly opened: readonly number[]; readonly sampleAt: number; readonly entries: number } {
  const opened = openAxis(shape, label, samples)
  return { opened, sampleAt: label.axis + 1, entries: samples === 0 ? 0 : sizeOf(opened) / samples }
}

/** One column for each entry of a sample, 1 there for every sample: columns `from` up to `to`, [V, ...shape]. */
export function unitColumns(
  shape: Shape,
  label: AxisLabel,
  samples: number,
  from: number,
  to: number,
): Tensor {
  const { opened, sampleAt, entries } = openedSamples(shape, label, samples)
  const which = reshape(constant(range(from, to), 'int32'), [to - from, 1])
  const unit = cast(equal<'int32'>(which, reshape(iota(entries), [1, entries])), 'float32')
  const one = opened.map((d, i) => (i === sampleAt ? 1 : d))
  return reshape(expand(reshape(unit, [to - from, ...one]), [to - from, ...opened]), [to - from, ...shape])
}

/** What every entry of every sample weighs, [entries, N], in the order of `unitColumns`. */
export function entryWeights(values: Tensor, label: AxisLabel, samples: number): Tensor {
  const { opened, sampleAt, entries } = openedSamples(values.shape, label, samples)
  const others = opened.map((_, i) => i).filter((i) => i !== sampleAt)
  return reshape(transpose(reshape(values, opened), [...others, sampleAt]), [entries, samples])
}

/** Sums columns of a broadcast result to the shape of an operand that has the samples: [V, ...shape]. */
function columnsOfOperand(columns: Tensor, shape: Shape): Tensor {
  const lead = columns.shape.length - 1 - shape.length
  const axes: number[] = []
  for (let i = 1; i < columns.shape.length; i++) {
    const own = shape[i - 1 - lead]
    if (own === undefined || (own === 1 && columns.shape[i] !== 1)) axes.push(i)
  }
  return reshape(sum(columns, axes), [columns.shape[0]!, ...shape])
}

export interface ElementwiseInteraction {
  /** Curvature in each operand alone, in the node's shape: what the pair columns leave over. */
  readonly alone: readonly Tensor[]
  readonly columns: JointColumns
}

/**
 * The second derivative of a two-operand elementwise op.
 *
 * @param second f_ij, as the op's rule has it
 * @param perSample sums columns of the node's shape over what a shared operand lacks, sample by sample
 */
export function elementwiseInteraction(
  node: AnyTensor,
  delta: Tensor,
  label: AxisLabel,
  samples: number,
  second: (i: number, j: number) => Partial,
  isShared: (i: number) => boolean,
  perSample: (i: number, columns: Tensor) => Tensor,
): ElementwiseInteraction {
  const cross = mul(delta, second(0, 1))
  const alone = [0, 1].map((i) => mul(delta, second(i, i)).sub(cross))
  return {
    alone,
    columns: {
      total: openedSamples(node.shape, label, samples).entries,
      weight: entryWeights(cross, label, samples),
      at: (from, to) => {
        const units = unitColumns(node.shape, label, samples, from, to)
        return [0, 1].map((i) =>
          isShared(i) ? perSample(i, units) : columnsOfOperand(units, node.inputs[i]!.shape),
        )
      },
    },
  }
}

/**
 * The second derivative of z = A B between A and B, for samples on axis 0 of A and z; B has them there, too, or is one
 * matrix for all. Undefined for other arrangements.
 */
export function matmulInteraction(
  node: AnyTensor,
  delta: Tensor,
  label: AxisLabel,
  samples: number,
  isShared: (i: number) => boolean,
): JointColumns | undefined {
  const [a, b] = node.inputs as readonly [Tensor, Tensor]
  if (label.axis !== 0 || label.outer !== 1 || label.inner !== 1 || isShared(0)) return undefined
  const rows = a.shape.slice(0, -1)
  const [inner, out] = [a.shape.at(-1)!, node.shape.at(-1)!]
  const sameBatch = a.shape.length === b.shape.length && rows.slice(0, -1).every((d, i) => d === b.shape[i])
  if (isShared(1) ? b.shape.length !== 2 : !sameBatch || a.shape.length < 3) return undefined
  const entries = sizeOf(a.shape) / samples
  // Both halves of a column at the same size, or their small product would be lost beside their squares.
  const size = sqrt(max(abs(delta)).add(1e-30))
  const towardsB = (units: Tensor): Tensor => {
    if (!isShared(1)) return matmul(transposeLast(units), delta)
    const positions = sizeOf(rows.slice(1))
    const flat = reshape(units, [units.shape[0]!, samples, positions, inner])
    return matmul(transposeLast(flat), reshape(delta, [samples, positions, out]))
  }
  const half = Array<number>(entries).fill(0.5)
  const signs = constant([...half, ...half.map((h) => -h)])
  return {
    total: 2 * entries,
    weight: expand(reshape(signs, [2 * entries, 1]), [2 * entries, samples]),
    at: (from, to) => {
      // The first half of the columns has u + w, the second u − w.
      const parts: { u: Tensor; w: Tensor }[] = []
      for (const [start, sign] of [
        [0, 1],
        [entries, -1],
      ] as const) {
        const first = Math.max(from, start) - start
        const last = Math.min(to, start + entries) - start
        if (first >= last) continue
        const units = unitColumns(a.shape, label, samples, first, last)
        parts.push({ u: mul(units, size), w: mul(div(towardsB(units), size), sign) })
      }
      return [joined(parts.map(({ u }) => u)), joined(parts.map(({ w }) => w))]
    },
  }
}

function joined(parts: readonly Tensor[]): Tensor {
  return parts.length === 1 ? parts[0]! : concat(parts, 0)
}
