/** @file What models, losses and optimisers look like to the rest: interfaces without an implementation. */
import type { AnyTensor, Tensor, Updates } from '@beyondgrad/tensor'
import type { Parameter, ParameterMap } from './parameter.ts'

/** A function of tensors with parameters. */
export interface Module<in I extends readonly unknown[] = [Tensor], out O = Tensor> {
  (...inputs: I): O
  readonly parameters: ParameterMap<Parameter>
}

/** A marked loss of a model's output and a target. */
export type Loss<in T = Tensor<'int32'>> = (output: Tensor, target: T) => Tensor

/** Turns gradients into writes to parameters (and to its own state). */
export interface Optimizer {
  readonly learningRate: number
  readonly parameters: ParameterMap<Parameter>
  update(gradient: ParameterMap<Tensor>): Updates
}

/** A mini-batch. */
export interface Batch<out T extends AnyTensor = Tensor<'int32'>, out I extends AnyTensor = Tensor> {
  readonly inputs: I
  readonly targets: T
}
