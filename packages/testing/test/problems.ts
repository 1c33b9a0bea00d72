/** @file A little network, its batch and its losses, without any package of layers. */
import { crossEntropy, type Module, mseLoss, parameter, parameterMap } from '@beyondgrad/autograd'
import { intTensor, matmul, tanh, tensor, type Tensor } from '@beyondgrad/tensor'
import type { Problem } from '../src/index.ts'

export const inputs: Tensor = tensor([
  [1, 0.5],
  [-0.3, 2],
  [0.7, -1],
])

/** tanh(x W) V */
export function network(outputs = 2): Module {
  const [w, v] = [
    parameter('w', { shape: [2, 2], dtype: 'float32', data: Float32Array.of(0.4, -0.7, 0.9, 0.2) }),
    parameter('v', {
      shape: [2, outputs],
      dtype: 'float32',
      data: Float32Array.from({ length: 2 * outputs }, (_, i) => Math.sin(i + 1)),
    }),
  ]
  const forward = (x: Tensor): Tensor => matmul(tanh(matmul(x, w.value)), v.value)
  return Object.assign(forward, { parameters: parameterMap([w, v]) })
}

export const regression = (reduction: 'mean' | 'sum'): Problem<Tensor> => ({
  model: network(),
  loss: (output, target) => mseLoss(output, target, { reduction }),
  inputs,
  targets: tensor([
    [1, 0],
    [0.5, 0.5],
    [-1, 2],
  ]),
})

export const classification = (reduction: 'mean' | 'sum'): Problem<Tensor<'int32'>> => ({
  model: network(3),
  loss: (output, target) => crossEntropy(output, target, { reduction }),
  inputs,
  targets: intTensor([2, 0, 1]),
})
