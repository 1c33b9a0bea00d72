/** @file A small data set, whole and in parts, and a network for it. */
import type { Module } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { intTensor, tensor, type Tensor } from '@beyondgrad/tensor'
import { data, labels, numbers } from '../network.ts'

export interface Samples {
  readonly inputs: Tensor
  readonly targets: Tensor<'int32'>
}

export const classes = 3
export const model = (): Module =>
  Sequential(Linear(4, 5, { seed: 1 }), Tanh(), Linear(5, classes, { seed: 2 }))
export const all: Samples = { inputs: data('x', [7, 4]), targets: labels(7, classes) }
export const part = (from: number, to: number): Samples => ({
  inputs: tensor(numbers('x', [7, 4]).slice(from * 4, to * 4), { shape: [to - from, 4], dtype: 'float32' }),
  targets: intTensor(Array.from({ length: to - from }, (_, n) => ((from + n) * 7 + 1) % classes)),
})
export const split: readonly Samples[] = [part(0, 3), part(3, 4), part(4, 7)]
