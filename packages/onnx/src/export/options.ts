/** @file What an export is asked for, and the values of a file as its user sees them. */
import type { DType, Tensor } from '@beyondgrad/tensor'
import type { ModelShape } from '../model-builder.ts'
import type { ExportInput } from './inputs.ts'

export type ExportInputs = Readonly<Record<string, ExportInput>>

/** What the exported function is called with: a tensor for each input. */
export type ExportArguments<I extends ExportInputs> = {
  readonly [K in keyof I]: Tensor<I[K] extends { readonly dtype: infer D extends DType } ? D : 'float32'>
}

export interface ExportOptions<I extends ExportInputs> {
  /** Inputs of the file under their names, in this order. */
  readonly inputs: I
  /** The size of a free axis where it turns out that it can't be free. Default: 1. */
  readonly sizes?: Readonly<Record<string, number>>
  /** Name of the model's graph. Default: 'graph'. */
  readonly name?: string
  /** What the model is, for whoever opens the file. */
  readonly description?: string
  /** What outputs are, by name or by the part of it before a dot: `{ variance: 'variance of the gradients' }`. */
  readonly outputs?: Readonly<Record<string, string>>
  /** Further entries for the file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** An input or output of a file; a string in a shape is a size that is known when the file runs. */
export interface ExportedValue {
  readonly name: string
  readonly dtype: DType
  readonly shape: ModelShape
}
