/** @file What a batching rule of `vmap` is and sees. */
import type { AnyTensor } from './node.ts'
import { expand } from './ops/movement.ts'

/** A node that is to be lifted, and each of its inputs, lifted (batch axis first) or as it was. */
export interface Lift {
  readonly node: AnyTensor
  readonly inputs: readonly AnyTensor[]
  readonly batched: readonly boolean[]
  readonly size: number
}

export type BatchRule = (lift: Lift) => AnyTensor

/** [size, ...shape], for an input that may not be lifted yet. */
export function full(at: Lift, i: number): AnyTensor {
  const input = at.inputs[i]!
  return at.batched[i] ? input : expand(input, [at.size, ...input.shape])
}
