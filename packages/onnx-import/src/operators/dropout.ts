/** @file Dropout, which does nothing in evaluation. */
import { type AnyTensor, constant, expand, full } from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

function dropout(call: OperatorCall): (AnyTensor | undefined)[] {
  const x = call.any(0)
  // What a file from a training run says about its mode is not asked here: a model that is called evaluates.
  if (!call.wants(1)) return [x]
  // Before opset 12 nobody fills the mask of an evaluation.
  const kept = call.opset < 12 ? 0 : 1
  return [x, call.opset < 10 ? full(x.shape, kept) : expand(constant(kept, 'bool'), x.shape)]
}

export const dropouts: OperatorTable = {
  Dropout: operator(dropout, { settings: [1, 2] }),
}
