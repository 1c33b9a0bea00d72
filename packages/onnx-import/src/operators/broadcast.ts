/** @file Operands that broadcast: by shape since opset 7, by attributes before. */
import { type AnyTensor, reshape } from '@beyondgrad/tensor'
import type { OperatorCall } from '../operator.ts'

/** Two operands of a binary operator, the second brought into the place that old versions give it by an attribute. */
export function operands(call: OperatorCall): [AnyTensor, AnyTensor] {
  const [a, b] = [call.any(0), call.any(1)]
  if (call.opset >= 7 || call.node.domain !== '') return [a, b]
  return [a, placed(call, a, b)]
}

/** An operand of opset 6 and older: its axes stand at `axis` of the other's, or at the end. */
export function placed(call: OperatorCall, a: AnyTensor, b: AnyTensor): AnyTensor {
  const axis = call.attributes.int('axis', a.shape.length - b.shape.length)
  const from = axis < 0 ? axis + a.shape.length : axis
  const behind = a.shape.length - from - b.shape.length
  if (behind < 0) return b
  return behind === 0 ? b : reshape(b, [...b.shape, ...Array<number>(behind).fill(1)])
}
