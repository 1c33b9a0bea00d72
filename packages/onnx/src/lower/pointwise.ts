/** @file Operators that work element by element, in whatever order the elements are stored. */
import { broadcastShapes, type DType, type Shape, sizeOf } from '@beyondgrad/tensor'
import type { NodeAttributes } from '../attribute.ts'
import { elementType } from '../tensor-proto.ts'
import type { Emitter, Value } from './emitter.ts'
import { composed, inverse, isIdentity, type Order } from './layout.ts'

/** An operator on operands that broadcast; `dtype` is that of the result. */
export function pointwise(
  emit: Emitter,
  opType: string,
  operands: readonly Value[],
  dtype: DType = operands[0]!.dtype,
  attributes: NodeAttributes = {},
): Value {
  const shape = operands.map((x) => x.shape).reduce((a, b) => broadcastShapes(opType, a, b))
  const order = commonOrder(emit, operands, shape)
  if (order === undefined) return emit.op(opType, operands, { shape, dtype }, attributes)
  const back = inverse(order)
  const stored = operands.map((x) => {
    if (x.shape.length === 0) return x
    const ones = new Array<number>(shape.length - x.shape.length).fill(1)
    return emit.transpose(emit.reshape(x, [...ones, ...x.shape]), back)
  })
  const result = emit.op(opType, stored, { shape: composed(shape, back), dtype }, attributes)
  return emit.transpose(result, order)
}

/** The order in which an operand that is as large as the result is stored, if that is not its own. */
function commonOrder(emit: Emitter, operands: readonly Value[], shape: Shape): Order | undefined {
  for (const x of operands) {
    if (x.shape.length !== shape.length || sizeOf(x.shape) !== sizeOf(shape)) continue
    const { order } = emit.stored(x)
    if (!isIdentity(order)) return order
  }
  return undefined
}

export function cast(emit: Emitter, x: Value, to: DType): Value {
  return x.dtype === to ? x : pointwise(emit, 'Cast', [x], to, { to: elementType(to) })
}
