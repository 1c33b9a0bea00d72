/** @file Squareplus: a softplus without exponentials (Barron, "Squareplus: a softplus-like algebraic rectifier", 2021). */
import { defineOp, elementwiseRule, type Module } from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import {
  abs,
  type AnyTensor,
  type Attributes,
  BeyondgradError,
  div,
  relu,
  sqrt,
  square,
  type Tensor,
} from '@beyondgrad/tensor'

const root = (x: Tensor, { b }: Attributes): Tensor => sqrt(square(x).add(b as number))

/** (x + √(x² + b)) / 2, as an op. */
export const squareplusNode: (inputs: readonly AnyTensor[], attributes?: Attributes) => Tensor = defineOp({
  name: 'layer-pack:squareplus',
  // Equal, and nothing cancels where x is far below zero. Smooth as a whole, its two parts have a kink: hence rules.
  expand: ([x], at) => relu(x!).add(div((at.b as number) / 2, root(x!, at).add(abs(x!)))),
  rule: elementwiseRule({
    partial: (z, [x]) => div(x!, root(x!, z.attributes)).add(1).div(2),
    second: (z, [x]) => div((z.attributes.b as number) / 2, root(x!, z.attributes).pow(3)),
  }),
})

/** (x + √(x² + b)) / 2, elementwise, for positive b. */
export const squareplus = (x: Tensor, b = 4): Tensor => squareplusNode([x], { b })

/** `squareplus` as a layer; b is 4 unless given. */
export function Squareplus(b = 4): Module {
  if (!(b > 0)) throw new BeyondgradError('value', `Squareplus: b must be positive, not ${b}`)
  return moduleOf((x: Tensor) => squareplus(x, b))
}
