/** @file Affine maps. Names, defaults and layouts are PyTorch's. */
import type { Module } from '@beyondgrad/autograd'
import { add, formatShape, matmul, ShapeError, type Tensor, transpose } from '@beyondgrad/tensor'
import { affineParameters, type InitializationOptions } from '../initialization.ts'
import { moduleOf } from '../module.ts'
import { demandPositive } from './sizes.ts'

/** y = x Wᵀ + b on the last axis: [..., inputs] → [..., outputs]. Parameters: weight [outputs, inputs], bias [outputs]. */
export function Linear(inputs: number, outputs: number, options: InitializationOptions = {}): Module {
  demandPositive('Linear', { inputs, outputs })
  const { weight, bias } = affineParameters([outputs, inputs], { in: inputs, out: outputs }, options)
  const forward = (x: Tensor): Tensor => {
    if (x.shape.length < 2 || x.shape.at(-1) !== inputs) {
      throw new ShapeError(
        'Linear',
        `expects [N, ..., ${inputs}], got ${formatShape(x.shape)}; is a Flatten() missing before it?`,
      )
    }
    const product = matmul(x, transpose(weight.value))
    return bias === undefined ? product : add(product, bias.value)
  }
  return moduleOf(forward, bias === undefined ? [weight] : [weight, bias])
}
