/** @file Batching rules of indexing and sorting: examples with indices of their own become rows of one long axis. */
import { type BatchRule, full, type Lift } from './batch-rule.ts'
import type { DType } from './dtype.ts'
import { build, type Tensor } from './node.ts'
import { add, mul } from './ops/elementwise.ts'
import { gatherAt } from './ops/gather.ts'
import { iota, reshape, transpose } from './ops/movement.ts'
import { scatterAddAt } from './ops/scatter.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** Moves `count` axes from `from` on to `to`, counted in what is left of the others. */
function moved<D extends DType>(x: Tensor<D>, from: number, count: number, to: number): Tensor<D> {
  const rest = range(0, x.shape.length).filter((axis) => axis < from || axis >= from + count)
  return transpose(x, rest.toSpliced(to, 0, ...range(from, from + count)))
}

/** Positions [B, ...] on an axis of `size`, on the axis that has those of all examples one after the other. */
function inRows(positions: Tensor<'int32'>, size: number): Tensor<'int32'> {
  const [examples, ...rest] = positions.shape as [number, ...number[]]
  const starts = mul<'int32'>(iota(examples), size)
  return add<'int32'>(positions, reshape(starts, [examples, ...rest.map(() => 1)]))
}

const gather: BatchRule = (at) => {
  const axis = at.node.attributes.axis as number
  const [x, indices] = at.inputs as [Tensor, Tensor<'int32'>]
  if (!at.batched[1]) return gatherAt(x, indices, axis + 1)
  // [...before, B, ...places, ...after]
  if (!at.batched[0]) return moved(gatherAt(x, indices, axis), axis, 1, 0)
  const size = x.shape[axis + 1]!
  const front = moved(x, axis + 1, 1, 1)
  const rows = reshape(front, [at.size * size, ...front.shape.slice(2)])
  const places = indices.shape.length - 1
  // [B, ...places, ...before, ...after]
  return moved(gatherAt(rows, inRows(indices, size), 0), 1, places, axis + 1)
}

const scatterAdd: BatchRule = (at) => {
  const { axis, size } = at.node.attributes as { axis: number; size: number }
  const indices = at.inputs[1] as Tensor<'int32'>
  if (!at.batched[1]) return scatterAddAt(at.inputs[0] as Tensor, indices, axis + 1, size)
  const places = indices.shape.length - 1
  const front = moved(full(at, 0) as Tensor, axis + 1, places, 1)
  const rows = scatterAddAt(front, inRows(indices, size), 0, at.size * size)
  const open = reshape(rows, [at.size, size, ...rows.shape.slice(1)])
  return moved(open, 1, 1, axis + 1)
}

/** The op along an axis behind the new one; all operands have the new axis. */
const along: BatchRule = (at: Lift) =>
  build(
    at.node.op,
    at.inputs.map((_, i) => full(at, i)),
    { ...at.node.attributes, axis: (at.node.attributes.axis as number) + 1 },
  )

export const gatherRules: Readonly<Record<string, BatchRule>> = {
  gather,
  scatterAdd,
  gatherElements: along,
  scatterElementsAdd: along,
  topIndices: along,
  flip: ({ node, inputs }) =>
    build(node.op, inputs, { axes: (node.attributes.axes as number[]).map((axis) => axis + 1) }),
}
