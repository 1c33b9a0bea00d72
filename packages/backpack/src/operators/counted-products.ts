/** @file The products that an estimate or an iteration makes: counted, reported, cancelled, and checked for NaN. */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { throwIfCancelled } from './operator-algebra.ts'
import { isFiniteVector } from './vectors.ts'

export interface CountedProducts {
  /** Products so far, of one vector each. */
  readonly count: number
  /** The operator's products with several vectors. Throws `data` for results that are not finite. */
  times(vectors: readonly Float64Array[]): Promise<Float64Array[]>
}

/** Numbers that vectors which are multiplied together may hold. */
const numbersAtOnce = 2 ** 24

/** So many vectors of a size are multiplied together, so that they need not all be there at once. */
export const vectorsAtOnce = (size: number): number =>
  Math.max(1, Math.min(64, Math.floor(numbersAtOnce / Math.max(1, size))))

/** @param total products there will be, if that is known */
export function countedProducts(
  what: string,
  operator: LinearOperator,
  { signal, onProgress }: ProductOptions,
  total?: number,
): CountedProducts {
  let count = 0
  return {
    get count(): number {
      return count
    },
    times: async (vectors) => {
      throwIfCancelled(signal)
      const found = await operator.matmat(vectors, { signal })
      if (!found.every(isFiniteVector)) {
        throw new BeyondgradError(
          'data',
          `${what}: a product of ${operator.name} is not finite; check the parameters, the data and the loss`,
        )
      }
      count += vectors.length
      onProgress?.({ done: count, ...(total !== undefined && { total }) })
      return found
    },
  }
}
