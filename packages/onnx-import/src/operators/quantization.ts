/** @file Integers that stand for numbers. They can be read; nothing can be made of them by training. */
import {
  type AnyTensor,
  cast,
  mul,
  repeatInterleave,
  reshape,
  slice,
  sub,
  type Tensor,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** (x - zero point) · scale; one of each, one for every position of an axis, or one for every block along it. */
function dequantized(call: OperatorCall): AnyTensor {
  const x = call.number(0)
  const rank = x.shape.length
  const axis = call.attributes.int('axis', 1)
  const at = axis < 0 ? axis + rank : axis
  const block = call.attributes.int('block_size', 0)
  const placed = (of: Tensor): Tensor => {
    if (block > 0) {
      const blocks = repeatInterleave(of, block, at)
      return blocks.shape[at]! > x.shape[at]! ? slice(blocks, at, 0, x.shape[at]) : blocks
    }
    if (of.shape.length !== 1) return of
    if (of.shape[0] === 1 && x.shape[at] !== 1) return reshape(of, [])
    return reshape(
      of,
      x.shape.map((_, i) => (i === at ? of.shape[0]! : 1)),
    )
  }
  const scale = placed(call.float(1))
  const shifted = call.has(2)
    ? sub(cast(x, 'float32'), placed(cast(call.any(2), 'float32')))
    : cast(x, 'float32')
  return mul(shifted, scale)
}

export const quantizations: OperatorTable = {
  DequantizeLinear: operator(dequantized, { settings: [0, 1, 2] }),
}
