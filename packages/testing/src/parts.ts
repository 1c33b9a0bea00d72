/** @file A problem with its samples in other orders, or only some of them. */
import { type AnyTensor, type DType, type NDArray, sizeOf, type Tensor } from '@beyondgrad/tensor'
import type { Problem } from './brute-force.ts'
import { leaf, valuesOf } from './reference.ts'

/** Samples as a batch of their own. */
export interface Rows<T extends AnyTensor> {
  readonly inputs: Tensor
  readonly targets: T
}

/** The values of a batch, from which its parts are built. */
export interface Batch<T extends AnyTensor> {
  readonly samples: number
  /** These samples, in this order. */
  rows(samples: readonly number[]): Rows<T>
  /** Their loss. */
  lossOf(samples: readonly number[]): Tensor
}

export async function batchOf<T extends AnyTensor>({
  model,
  loss,
  inputs,
  targets,
}: Problem<T>): Promise<Batch<T>> {
  const [x, y] = await valuesOf([inputs, targets])
  const pick = (samples: readonly number[]): Rows<T> => ({
    inputs: rows(x!, samples) as Tensor,
    targets: rows(y!, samples) as T,
  })
  return {
    samples: x!.shape[0]!,
    rows: pick,
    lossOf: (samples) => {
      const part = pick(samples)
      return loss(model(part.inputs), part.targets)
    },
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
