/** @file Tensors that are made of sizes and attributes alone. */
import {
  add,
  type AnyTensor,
  cast,
  expand,
  iota,
  mul,
  type Shape,
  sizeOf,
  equal,
  reshape,
} from '@beyondgrad/tensor'
import { dtypeOfElements } from '@beyondgrad/onnx'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** A shape that is to be made out of nothing. */
function demandShape(call: OperatorCall, shape: Shape): Shape {
  if (shape.every((size) => Number.isInteger(size) && size >= 0) && sizeOf(shape) < 2 ** 31) return shape
  return call.fail(`[${shape.join(', ')}] is no shape`)
}

/** Sizes of some axes; what is known while the expression is built. */
function shapeOf(call: OperatorCall): AnyTensor {
  const { shape } = call.any(0)
  const rank = shape.length
  const clamp = (axis: number): number => Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank)
  const sizes = shape.slice(clamp(call.attributes.int('start', 0)), clamp(call.attributes.int('end', rank)))
  return call.known({ shape: [sizes.length], dtype: 'int64', data: BigInt64Array.from(sizes, BigInt) })
}

function filled(call: OperatorCall): AnyTensor {
  const shape = demandShape(call, call.integers(0) ?? [])
  const value = call.attributes.tensor('value')
  const of = call.known(
    value === undefined
      ? { shape: [], dtype: 'float32', data: Float32Array.of(0) }
      : { shape: [], dtype: value.dtype, data: value.data.slice(0, 1) },
  )
  return expand(of, shape)
}

/** start, start + delta, …, up to but without limit. */
function range(call: OperatorCall): AnyTensor {
  const [start, limit, delta] = [call.scalar(0), call.scalar(1), call.scalar(2)]
  const count = Math.max(0, Math.ceil((limit - start) / delta))
  demandShape(call, [count])
  const { dtype } = call.any(0)
  const index = cast(iota(count), dtype as 'float32')
  return add(mul(index, delta), start)
}

/** A matrix with ones on a diagonal. */
function eyeLike(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const [rows, columns] = x.shape as [number, number]
  if (x.shape.length !== 2) call.fail('needs a matrix')
  const type = call.attributes.int('dtype', 0)
  const dtype =
    type === 0 ? x.dtype : (dtypeOfElements(type) ?? call.fail(`there is no dtype for type ${type}`))
  const row = reshape(add<'int32'>(iota(rows), call.attributes.int('k', 0)), [rows, 1])
  return cast(equal<'int32'>(row, iota(columns)), dtype === 'float64' ? 'float32' : dtype)
}

export const sources: OperatorTable = {
  ConstantOfShape: operator(filled, { known: [0] }),
  EyeLike: operator(eyeLike),
  Range: operator(range, { known: [0, 1, 2] }),
  Shape: operator(shapeOf),
  Size: operator((call) =>
    call.known({ shape: [], dtype: 'int64', data: BigInt64Array.of(BigInt(sizeOf(call.any(0).shape))) }),
  ),
}
