/** @file The smallest networks that say something. */
import { matmul, tanh, tensor, type Tensor } from '@beyondgrad/tensor'
import { type Parameter, parameter } from '../src/index.ts'

export function weight(name: string, shape: readonly number[], start = 1): Parameter {
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: size }, (_, i) => Math.fround(Math.sin(start + i)))
  return parameter(name, { shape, dtype: 'float32', data })
}

export const x: Tensor = tensor([
  [1, 2],
  [-1, 0.5],
  [0.3, -2],
])

export const w: Parameter = weight('w', [2, 3])
export const v: Parameter = weight('v', [3, 2], 7)

/** tanh(x W) V */
export const output = (input: Tensor = x): Tensor => matmul(tanh(matmul(input, w.value)), v.value)

export const target: Tensor = tensor([
  [1, 0],
  [0, 1],
  [-1, 0.5],
])
