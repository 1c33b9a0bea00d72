/**
 * @file Activation functions, with the parameters and default values of PyTorch. They are exact for small and large
 * arguments, and what `where` does not choose is kept finite, so that no derivative turns into NaN.
 */
import { BeyondgradError } from '../errors.ts'
import type { Tensor } from '../node.ts'
import {
  abs,
  add,
  div,
  exp,
  greater,
  maximum,
  minimum,
  mul,
  neg,
  relu,
  sigmoid,
  tanh,
  where,
} from '../ops/elementwise.ts'
import { clip } from './softmax.ts'
import { atanh, erf, expm1 } from '../ops/transcendental.ts'

/** A parameter of an activation; plain JavaScript may bring anything. */
function parameter(op: string, name: string, value: number | undefined, usual: number): number {
  const number: unknown = value ?? usual
  if (typeof number === 'number') return number
  throw new BeyondgradError('value', `${op}: ${name} must be a number, not ${typeof number}`)
}

const positive = (x: Tensor): Tensor<'bool'> => greater(x, 0)

/** log(1 + eⁿ) for n ≤ 0. */
function softplusOfNegative(n: Tensor): Tensor {
  const e = exp(n)
  // log(1 + e) = 2 artanh(e / (2 + e)), which keeps the digits of a small e.
  return mul(atanh(div(e, add(e, 2))), 2)
}

/** log(1 + eᵝˣ) / β, a smooth `relu`. */
export function softplus(x: Tensor, options: { readonly beta?: number } = {}): Tensor {
  const beta = parameter('softplus', 'beta', options?.beta, 1)
  const scaled = beta === 1 ? x : mul(x, beta)
  // -|x|, but smooth at 0 from one side: so are the derivatives of the sum, of any order.
  const negative = where(positive(scaled), neg(scaled), scaled)
  const result = add(relu(scaled), softplusOfNegative(negative))
  return beta === 1 ? result : mul(result, 1 / beta)
}

/** log of `sigmoid`. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)))
}

/**
 * x Φ(x), with the distribution function Φ of the normal distribution.
 *
 * @param options `approximate: 'tanh'` takes the usual approximation of Φ by tanh
 */
export function gelu(x: Tensor, options: { readonly approximate?: 'none' | 'tanh' } = {}): Tensor {
  const approximate = options?.approximate ?? 'none'
  if (approximate === 'none') return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))
  // Beyond 10 tanh is 1 in every precision, and the cube would overflow.
  const z = clip(x, -10, 10)
  const inner = mul(add(z, mul(mul(z, mul(z, z)), 0.044715)), Math.sqrt(2 / Math.PI))
  return mul(mul(x, 0.5), add(tanh(inner), 1))
}

/** x · sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x))
}

/** x · tanh(softplus(x)). */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(softplus(x)))
}

/** x above 0, α (eˣ − 1) below. */
export function elu(x: Tensor, options: { readonly alpha?: number } = {}): Tensor {
  return where(positive(x), x, mul(expm1(minimum(x, 0)), parameter('elu', 'alpha', options?.alpha, 1)))
}

/** `elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al., 2017). */
export function selu(x: Tensor): Tensor {
  return mul(elu(x, { alpha: 1.6732632423543772 }), 1.0507009873554805)
}

/** x above 0, α (exp(x/α) − 1) below: its derivative is continuous for every α. */
export function celu(x: Tensor, options: { readonly alpha?: number } = {}): Tensor {
  const alpha = parameter('celu', 'alpha', options?.alpha, 1)
  return where(positive(x), x, mul(expm1(mul(minimum(x, 0), 1 / alpha)), alpha))
}

/** x above 0, `negativeSlope` times x below. */
export function leakyRelu(x: Tensor, options: { readonly negativeSlope?: number } = {}): Tensor {
  return where(positive(x), x, mul(x, parameter('leakyRelu', 'negativeSlope', options?.negativeSlope, 0.01)))
}

/**
 * `leakyRelu` with a slope that is a tensor.
 *
 * @param slope broadcasts with x: for one slope a channel of images, `[channels, 1, 1]`
 */
export function prelu(x: Tensor, slope: Tensor): Tensor {
  return where(positive(x), x, mul(x, slope))
}

/** x between two numbers. As in PyTorch the derivative at either is 0, unlike that of `clip`. */
export function hardTanh(
  x: Tensor,
  options: { readonly minVal?: number; readonly maxVal?: number } = {},
): Tensor {
  // At a tie the first operand counts, which is the constant.
  const most = parameter('hardTanh', 'maxVal', options?.maxVal, 1)
  const least = parameter('hardTanh', 'minVal', options?.minVal, -1)
  return minimum(most, maximum(least, x))
}

/** `relu` up to 6. */
export function relu6(x: Tensor): Tensor {
  return hardTanh(x, { minVal: 0, maxVal: 6 })
}

/** x/6 + 1/2 between 0 and 1. */
export function hardSigmoid(x: Tensor): Tensor {
  return hardTanh(add(mul(x, 1 / 6), 0.5), { minVal: 0, maxVal: 1 })
}

/** x · hardSigmoid(x). */
export function hardSwish(x: Tensor): Tensor {
  return mul(x, hardSigmoid(x))
}

/** x / (1 + |x|). */
export function softsign(x: Tensor): Tensor {
  return div(x, add(abs(x), 1))
}
