/** @file Turns: work that goes on in several rounds says which round a tensor starts. See turns.ts. */
import type { DType } from '../dtype.ts'
import { type AnyTensor, build } from '../node.ts'
import type { Op } from '../op.ts'

const turnOp: Op = {
  name: 'turn',
  family: 'guard',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data,
}

/**
 * x itself, as the start of a round of its own: before it comes, everything that depends on the round before and on no later one has
 * been computed, and what only led there is forgotten. So a long sum of large terms takes the memory of one term, in whatever
 * order an engine would have gone through it. Results stay the same to the last digit.
 *
 * @param of names the rounds that belong together; they follow each other as their results are put together
 */
export function inTurn<T extends AnyTensor>(x: T, of: string): T {
  return build<DType>(turnOp, [x], { of }) as T
}
