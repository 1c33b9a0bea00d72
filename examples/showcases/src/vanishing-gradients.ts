/** @file Six layers of sigmoids do not train. Gradient norms layer by layer say where the gradient gets lost. */
import { heNormal, Linear, ReLU, Sequential, Sigmoid } from '@beyondgrad/nn'
import type { Module } from '@beyondgrad/autograd'
import { digits } from './mnist.ts'
import { check, last, median, show, watch } from './showcase.ts'

const width = 48

function network(activation: 'sigmoid' | 'relu'): Module {
  const options = (seed: number) => ({ seed, ...(activation === 'relu' && { weight: heNormal }) })
  const hidden = [0, 1, 2, 3, 4].flatMap((i) => [
    Linear(i === 0 ? 784 : width, width, options(i)),
    activation === 'relu' ? ReLU() : Sigmoid(),
  ])
  return Sequential(...hidden, Linear(width, 10, { seed: 9 }))
}

export async function vanishingGradients(): Promise<void> {
  const data = await digits(2000)
  const all = []
  for (const [activation, expected] of [
    ['sigmoid', ['vanishing-gradients']],
    ['relu', []],
  ] as const)
    all.push(
      await watch({
        name: activation,
        model: network(activation),
        data,
        learningRate: 0.05,
        steps: 150,
        expected,
      }),
    )
  const entry = (layer: number) => (norms: Readonly<Record<string, number>>) =>
    norms[`${2 * layer}.weight`]! / Math.sqrt(width * (layer === 0 ? 784 : layer === 5 ? 10 : width))
  show(
    'Vanishing gradients: how large is an entry of the gradient, layer by layer?',
    all,
    Object.fromEntries(
      [0, 1, 2, 3, 4, 5].map((layer) => [
        `layer ${layer + 1}`,
        (run) => median(last(run, 'GradNorm', entry(layer))).toExponential(1),
      ]),
    ),
  )
  check(all)
}
