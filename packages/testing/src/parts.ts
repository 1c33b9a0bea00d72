/** @file A problem with its samples in other orders, or only some of them. */
import { type AnyTensor, type DType, type NDArray, sizeOf, type Tensor } from '@beyondgrad/tensor'
import type { Problem } from './brute-force.ts'
import { leaf, valuesOf } from './reference.ts'

/** The values of a batch, from which its parts are built. */
export interface Batch {
  readonly samples: number
  /** The loss of these samples, in this order. */
  lossOf(samples: readonly number[]): Tensor
}

export async function batchOf<T extends AnyTensor>({
  model,
  loss,
  inputs,
  targets,
}: Problem<T>): Promise<Batch> {
  const [x, y] = await valuesOf([inputs, targets])
  return {
    samples: x!.shape[0]!,
    lossOf: (samples) => loss(model(rows(x!, samples) as Tensor), rows(y!, samples) as T),
  }
}

export const upTo = (samples: number): number[] => Array.from({ length: samples }, (_, n) => n)

/** Samples on axis 0. */
function rows({ data, shape, dtype }: NDArray<DType>, samples: readonly number[]): AnyTensor {
  const stride = sizeOf(shape.slice(1))
  const picked = new (data.constructor as Float64ArrayConstructor)(samples.length * stride)
  samples.forEach((n, i) =>
    picked.set((data as Float64Array).subarray(n * stride, (n + 1) * stride), i * stride),
  )
  return leaf(picked, [samples.length, ...shape.slice(1)], dtype)
}
