/** @file Matrix products. A transpose of the last two axes is read in place, not carried out. */
import { broadcastShapes, sizeOf } from '@beyondgrad/tensor'
import { expand, full, lastSwapped, transposeLast } from './arrange.ts'
import { contribDomain, type Emitter, type Value } from './emitter.ts'
import type { Rules } from './rule.ts'

/** Which operands of a product are stored with their last two axes swapped. */
export interface Transposed {
  readonly a?: boolean
  readonly b?: boolean
}

/** The product over the last two axes; the axes before them broadcast. */
export function product(emit: Emitter, left: Value, right: Value, transposed: Transposed = {}): Value {
  const { x: a, swapped: ta } = operand(emit, left, transposed.a ?? false)
  const { x: b, swapped: tb } = operand(emit, right, transposed.b ?? false)
  const rows = a.shape.at(ta ? -1 : -2)!
  const inner = a.shape.at(ta ? -2 : -1)!
  const columns = b.shape.at(tb ? -2 : -1)!
  const batchA = a.shape.slice(0, -2)
  const batchB = b.shape.slice(0, -2)
  const batch = broadcastShapes('matmul', batchA, batchB)
  const shape = [...batch, rows, columns]
  const { dtype } = a
  if (shape.includes(0) || inner === 0) return full(emit, dtype, shape, 0)
  const flatB = sizeOf(batchB) === 1
  if (flatB && sizeOf(batchA) === 1) {
    const [x, y] = [matrix(emit, a), matrix(emit, b)]
    const result = { shape: [rows, columns], dtype }
    const flat =
      ta || tb
        ? emit.op('Gemm', [x, y], result, { transA: Number(ta), transB: Number(tb) })
        : emit.op('MatMul', [x, y], result)
    return emit.reshape(flat, shape)
  }
  if (flatB && !ta) {
    // One matrix on the right: the batch is more rows.
    const x = emit.reshape(a, [sizeOf(batchA) * rows, inner])
    return emit.reshape(product(emit, x, matrix(emit, b), { b: tb }), shape)
  }
  if (emit.contrib && dtype === 'float32' && (ta || tb)) {
    return emit.op(
      'FusedMatMul',
      [a, b],
      { shape, dtype },
      { transA: Number(ta), transB: Number(tb) },
      contribDomain,
    )
  }
  const x = ta ? transposeLast(emit, a) : a
  const y = tb ? transposeLast(emit, b) : b
  return emit.op('MatMul', [x, y], { shape, dtype })
}

/** a · b + bias for matrices; the bias is a row. */
export function affine(emit: Emitter, left: Value, right: Value, bias: Value): Value {
  const { x: a, swapped: ta } = operand(emit, left, false)
  const { x: b, swapped: tb } = operand(emit, right, false)
  const shape = [left.shape[0]!, right.shape[1]!]
  if (left.shape.includes(0) || right.shape.includes(0)) return expand(emit, bias, shape)
  const attributes = { transA: Number(ta), transB: Number(tb) }
  return emit.op('Gemm', [a, b, bias], { shape, dtype: left.dtype }, attributes)
}

function matrix(emit: Emitter, x: Value): Value {
  return emit.reshape(x, x.shape.slice(-2))
}

/** An operand as it is stored, if that is with its last two axes swapped. */
function operand(
  emit: Emitter,
  x: Value,
  swapped: boolean,
): { readonly x: Value; readonly swapped: boolean } {
  const { value, order } = emit.stored(x)
  const isSwapped = lastSwapped(order.length).every((axis, i) => axis === order[i])
  return isSwapped ? { x: value, swapped: !swapped } : { x, swapped }
}

export const contractRules: Rules = { matmul: (_node, [a, b], { emit }) => product(emit, a!, b!) }
