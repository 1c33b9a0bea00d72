/**
 * @file Checkpoints: tensors that are worth keeping for the backward pass, while what lies between two of them is computed
 * anew there (Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016). See rematerialize.ts.
 */
import type { DType } from '../dtype.ts'
import { type AnyTensor, build } from '../node.ts'
import type { Op } from '../op.ts'

const checkpointOp: Op = {
  name: 'checkpoint',
  family: 'guard',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data,
}

/**
 * x itself, kept. What it was computed from – back to earlier checkpoints – is forgotten after the forward pass and computed
 * again when derivatives need it: memory for the checkpoints and one stretch between two, for about one more forward pass.
 * Results stay the same to the last digit.
 */
export function checkpoint<T extends AnyTensor>(x: T): T {
  return build<DType>(checkpointOp, [x]) as T
}
