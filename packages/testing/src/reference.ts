/** @file The engine that everything is measured with: double precision, quiet. */
import {
  type AnyTensor,
  type DType,
  type Engine,
  evaluate,
  type HostArray,
  isFloat,
  type NDArray,
  referenceEngine,
  type Shape,
  tensor,
} from '@beyondgrad/tensor'

export const reference: Engine = /* @__PURE__ */ referenceEngine({ warn: () => undefined })

/** Values in double precision, in the order of the tensors. */
export function valuesOf(tensors: readonly AnyTensor[]): Promise<readonly NDArray<DType>[]> {
  return evaluate(tensors, { engine: reference })
}

/** A leaf with these numbers; floats stay in double precision. */
export function leaf(data: HostArray, shape: Shape, dtype: DType): AnyTensor {
  return tensor<DType>({ data, shape, dtype } as NDArray<DType>)
}

/** The tensors as leaves of their own, so that nothing reaches behind them. */
export async function asLeaves<A extends readonly AnyTensor[]>(tensors: A): Promise<A> {
  const values = await valuesOf(tensors)
  return values.map(({ data, shape, dtype }) => leaf(data, shape, dtype)) as readonly AnyTensor[] as A
}

export const isDifferentiable = (x: AnyTensor): boolean => isFloat(x.dtype)
