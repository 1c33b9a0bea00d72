/** @file Dropout, which does nothing in evaluation. */
import { type AnyTensor, cast, constant, expand, full } from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

function dropout(call: OperatorCall): (AnyTensor | undefined)[] {
  const x = call.any(0)
  // What a file from a training run says about its mode is not asked here: a model that is called evaluates.
  const mask = (): AnyTensor => (call.opset < 10 ? full(x.shape, 1) : expand(constant(1, 'bool'), x.shape))
  return [x, call.wants(1) ? cast(mask(), call.opset < 10 ? 'float32' : 'bool') : undefined]
}

export const dropouts: OperatorTable = {
  Dropout: operator(dropout, { settings: [1, 2] }),
}
