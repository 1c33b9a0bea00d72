/** @file A quantity of one's own of the individual gradients, without ever holding them all. */
import {
  defineExtension,
  type DegreeByKey,
  type Extension,
  type Fold,
  gradientFlow,
  type Merge,
  type Parameter,
  type ParameterMap,
  type Reduced,
  type ReduceOptions,
  type SampleChunk,
} from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { checkSubsample, chosen, type SubsampleOptions } from './subsample.ts'

export interface ReduceBatchGradientOptions<R extends Reduced> extends SubsampleOptions, ReduceOptions {
  readonly name: string
  /** What is made of the gradients of some samples, [n, ...parameter.shape]: a tensor, or several by name. */
  readonly each: (perSample: Tensor, chunk: SampleChunk, parameter: Parameter) => R
  /** How what was made of chunks becomes one; 'concat' where there is something for every sample. Default: 'sum'. */
  readonly fold?: Fold
  /** How the result scales with the loss, for `accumulate`. Default: 'none'. */
  readonly degree?: DegreeByKey
  /** How batches combine. Default: as chunks do, if that is said by name. */
  readonly merge?: Merge<ParameterMap<R>>
}

/**
 * Whatever can be said of the individual gradients a few samples at a time: maxima, higher moments, counts, sums of clipped
 * gradients, and what is one number for each. Gradients are multiplied out chunk by chunk, within the `memory` of `backward`, and
 * `[N, ...parameter.shape]` never exists.
 */
export function ReduceBatchGradient<R extends Reduced>(
  options: ReduceBatchGradientOptions<R>,
): Extension<ParameterMap<R>> {
  const { name, each, fold = 'sum', chunk, subsample, degree = 'none', merge } = options
  checkSubsample(name, subsample)
  const combined = merge ?? (typeof fold === 'string' ? fold : undefined)
  return defineExtension({
    name,
    flow: gradientFlow,
    degree,
    ...(combined !== undefined && subsample === undefined && { merge: combined }),
    parameter: ({ contribution, parameter }): R =>
      chosen(contribution, subsample).reduce((perSample, at) => each(perSample, at, parameter), fold, {
        chunk,
      }),
  })
}
