/** @file Tables that samples read by index: embeddings. */
import { type AnyTensor, reshape, sizeOf, type Tensor, transpose } from '@beyondgrad/tensor'
import { openAxis } from '../label.ts'
import { opened, shift } from './boundary-axes.ts'
import type { Boundary, Layout } from './layout.ts'

const axisOf = (node: AnyTensor): number => node.attributes.axis as number

/** Whether the samples' own indices read a table that all share. */
export function readsByIndex({ node, operand, label }: Boundary): boolean {
  const at = label.axis - axisOf(node)
  return operand === 0 && at >= 0 && at < node.inputs[1]!.shape.length
}

/** z = table[…, indices, …]: a sample's derivative is the rows that it read. */
export function tableRows(at: Boundary, cotangent: Tensor, columns: boolean): Layout {
  const { node, label, samples } = at
  const [table, indices] = node.inputs as [Tensor, Tensor<'int32'>]
  const axis = axisOf(node)
  const lead = shift(columns)
  const rows = table.shape[axis]!
  const [before, after] = [table.shape.slice(0, axis), table.shape.slice(axis + 1)]
  // The samples' axis among the indices, opened: three axes for one.
  const own = { ...label, axis: label.axis - axis }
  const places = openAxis(indices.shape, own, samples)
  const sampleAt = own.axis + 1
  const others = places.map((_, i) => i).filter((i) => i !== sampleAt)
  const list = reshape(transpose(reshape(indices, places), [sampleAt, ...others]), [
    samples,
    sizeOf(indices.shape) / Math.max(1, samples),
  ])
  const open = opened(cotangent, at, columns)
  const placeAt = (i: number): number => lead + axis + i
  const moved = transpose(open, [
    ...(columns ? [0] : []),
    placeAt(sampleAt),
    ...others.map(placeAt),
    ...before.map((_, i) => lead + i),
    ...after.map((_, i) => placeAt(places.length + i)),
  ])
  const width = sizeOf(before) * sizeOf(after)
  const fromTable = (x: Tensor): Tensor =>
    reshape(transpose(x, [axis, ...x.shape.map((_, i) => i).filter((i) => i !== axis)]), [rows, width])
  return {
    factors: {
      kind: 'indexed',
      cotangent: reshape(moved, [...cotangent.shape.slice(0, lead), samples, list.shape[1]!, width]),
      indices: list,
      rows,
    },
    fromOperand: fromTable,
    toOperand: (result, ahead) => {
      const head = result.shape.slice(0, ahead)
      const whole = reshape(result, [...head, rows, ...before, ...after])
      const front = [...head.map((_, i) => i), ...before.map((_, i) => ahead + 1 + i), ahead]
      return transpose(whole, [...front, ...after.map((_, i) => ahead + 1 + before.length + i)])
    },
    key: 7,
  }
}
