/** @file What models, losses and optimisers look like to the rest: interfaces without an implementation. */
import type { AnyTensor, Tensor, Updates } from '@beyondgrad/tensor'
import type { Extensions, Results } from './extension.ts'
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
  /** Where its samples are in their data set, [N], so that observers can name them. */
  readonly indices?: Tensor<'int32'>
}

/** A training step while it is traced: what there is of it, as expressions. */
export interface TracedStep {
  readonly loss: Tensor
  readonly parameters: ParameterMap<Parameter>
  /** The parameters after the update. */
  readonly next: ParameterMap<Tensor>
  readonly learningRate: Tensor
  /** Runs extensions along the backward pass of the step; what others computed already is not computed again. */
  backward<const X extends Extensions>(extensions: X): Results<X>
}

/** What an observer wants of a kind of step beyond extensions. */
export interface Measurement {
  /** Steps with equal keys are traced once. */
  readonly key: string
  /** Tensors, in any nesting of objects, and `updates` of the observer's own state, which are committed with the step. */
  measure(step: TracedStep): object
}

/** What is known of a run when its first step begins. */
export interface RunStart {
  readonly parameters: ParameterMap<Parameter>
  /** The first step that will run: 0, or that at which a run is resumed. */
  readonly step: number
}

/** What is known of a step that has run besides its results. */
export interface StepFacts {
  readonly learningRate: number
  /** Where the samples of its batch are in their data set, if the batch tells. */
  readonly indices?: ArrayLike<number>
}

/** Watches training: names what it wants to see of a step and receives it. */
export interface Observer {
  /** Called once, before the first step runs. */
  begin?(start: RunStart): void
  /**
   * Extensions that the given step should compute for this observer. Those with the same names and options as at an
   * earlier step are taken for the same, so that the step need not be compiled again.
   */
  extensionsAt(step: number): Extensions
  /** What else it wants of a step; undefined for nothing, which costs nothing. */
  measurementAt?(step: number): Measurement | undefined
  /**
   * @param results the loss, the extensions' results, and what `measure` returned, all as arrays
   */
  record(step: number, results: Readonly<Record<string, unknown>>, about: StepFacts): void | Promise<void>
}
