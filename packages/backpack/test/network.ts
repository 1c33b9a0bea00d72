/** @file What a network to be checked is, with a batch and a loss; its numbers are pure functions of names. */
import {
  bceWithLogits,
  crossEntropy,
  type Module,
  mseLoss,
  type Parameter,
  parameter,
} from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import {
  type AnyTensor,
  fillRandom,
  type Shape,
  sigmoid,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Problem } from '@beyondgrad/testing'

export interface Network {
  readonly name: string
  /** How the loss draws Monte-Carlo columns, if it does, and what its mean multiplies beyond the samples' share. */
  readonly draws?: 'cross-entropy' | 'mse' | 'bce-with-logits'
  readonly factor?: number
  /** Whether the loss's Hessian has no root, so that columns come with weights of either sign. */
  readonly indefinite?: boolean
  readonly problem: (samples: number) => Problem
}

/** Numbers in about ±1, a pure function of the name. */
export function numbers(name: string, shape: Shape, scale = 1): Float32Array<ArrayBuffer> {
  const data = new Float32Array(sizeOf(shape))
  fillRandom({ distribution: 'normal', seed: 7, stream: name }, 0, 1, 1, data.length, data)
  return data.map((x) => x * scale)
}

export const data = (name: string, shape: Shape): Tensor =>
  tensor(numbers(name, shape), { shape, dtype: 'float32' })

export const weight = (name: string, shape: Shape, scale = 0.6): Parameter =>
  parameter(name, { shape, dtype: 'float32', data: numbers(name, shape, scale) })

export const labels = (samples: number, classes: number): Tensor<'int32'> =>
  tensor(
    Int32Array.from({ length: samples }, (_, n) => (n * 7 + 1) % classes),
    { shape: [samples], dtype: 'int32' },
  )

type Reduction = 'mean' | 'sum'

/** Classification with `classes` classes. */
export function classifier(
  name: string,
  input: Shape,
  classes: number,
  model: () => Module,
  options: { readonly reduction?: Reduction } = {},
): Network {
  const { reduction = 'mean', ...rest } = options
  return {
    name: `${name}, cross-entropy (${reduction})`,
    draws: 'cross-entropy',
    ...rest,
    problem: (samples) => ({
      model: model(),
      loss: (output, target: AnyTensor) => crossEntropy(output, target as Tensor<'int32'>, { reduction }),
      inputs: data('x', [samples, ...input]),
      targets: labels(samples, classes),
    }),
  }
}

/** Regression on outputs of shape `output`; `logistic` for targets in [0, 1]. */
export function regression(
  name: string,
  input: Shape,
  output: Shape,
  model: () => Module,
  options: { readonly reduction?: Reduction; readonly logistic?: boolean } = {},
): Network {
  const { reduction = 'mean', logistic = false, ...rest } = options
  return {
    name: `${name}, ${logistic ? 'logistic loss' : 'squared error'} (${reduction})`,
    draws: logistic ? 'bce-with-logits' : 'mse',
    factor: reduction === 'mean' ? 1 / sizeOf(output) : 1,
    ...rest,
    problem: (samples) => ({
      model: model(),
      loss: (f, y: AnyTensor) => (logistic ? bceWithLogits : mseLoss)(f, y as Tensor, { reduction }),
      inputs: data('x', [samples, ...input]),
      targets: logistic ? sigmoid(data('y', [samples, ...output])) : data('y', [samples, ...output]),
    }),
  }
}

/** A module of bare parameters. */
export function of(parameters: readonly Parameter[], forward: (x: Tensor) => Tensor): Module {
  return moduleOf(forward, parameters)
}

export function residual(inner: Module): Module {
  return Object.assign((x: Tensor) => x.add(inner(x)), { parameters: inner.parameters })
}

export const seeded = (seed: number): { readonly seed: number } => ({ seed })
