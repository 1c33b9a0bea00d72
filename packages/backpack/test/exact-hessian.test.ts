/** @file The exact Hessian's diagonal where it is hardest: attention with normalisation, recurrence, tied weights. */
import { backward, crossEntropy, explain, type Module } from '@beyondgrad/autograd'
import { GRU, Linear, LSTM, outputOf, RNN, TransformerEncoderLayer } from '@beyondgrad/nn'
import type { Shape, Tensor } from '@beyondgrad/tensor'
import { checkExtension, definitions } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { DiagHessian, DiagHessianMC } from '../src/index.ts'
import { data, labels, of } from './network.ts'

/** The last step of a sequence, or the mean over it, with a linear layer behind. */
const headed = (body: Module, width: number): Module => {
  const head = Linear(width, 3, { seed: 9 })
  const parts = [...[...body.parameters].map(([p]) => p), ...[...head.parameters].map(([p]) => p)]
  return of(
    parts.map((p, i) => p.as({ name: `${i}.${p.name}` })),
    (x) => head(body(x).mean([1])),
  )
}

const encoder = (normFirst: boolean): Module =>
  headed(
    TransformerEncoderLayer(8, 2, { dimFeedforward: 16, activation: 'gelu', dropout: 0, normFirst, seed: 1 }),
    8,
  )

const cases: readonly { readonly name: string; readonly input: Shape; readonly model: () => Module }[] = [
  { name: 'attention and LayerNorm, d = 8, T = 4, ff = 16', input: [2, 4, 8], model: () => encoder(false) },
  { name: 'the same with normalisation first', input: [2, 4, 8], model: () => encoder(true) },
  {
    name: 'an RNN over 4 steps',
    input: [3, 4, 2],
    model: () => headed(outputOf(RNN(2, 3, { seed: 1 })), 3),
  },
  {
    name: 'a GRU over 3 steps',
    input: [2, 3, 2],
    model: () => headed(outputOf(GRU(2, 2, { seed: 1 })), 2),
  },
  {
    name: 'an LSTM over 3 steps',
    input: [2, 3, 2],
    model: () => headed(outputOf(LSTM(2, 2, { seed: 1 })), 2),
  },
  {
    name: 'a layer that is used three times',
    input: [3, 3],
    model: () => {
      const layer = Linear(3, 3, { seed: 1 })
      return of(
        [...layer.parameters].map(([p]) => p),
        (x) => layer(layer(layer(x).tanh()).tanh()),
      )
    },
  },
]

describe('DiagHessian equals brute force', () => {
  it.each(cases)('$name', async ({ input, model }) => {
    const samples = input[0]!
    await checkExtension(DiagHessian(), {
      model: model(),
      loss: (output: Tensor, target: Tensor<'int32'>) => crossEntropy(output, target),
      inputs: data('x', input),
      targets: labels(samples, 3),
      definition: definitions['diag-hessian'],
      backward: { limit: 1e6 },
      rtol: 1e-7,
      atol: 1e-9,
    })
  })

  it('says beforehand how many columns that takes, and what to do where they are too many', () => {
    const model = encoder(false)
    const loss = crossEntropy(model(data('x', [2, 4, 8])), labels(2, 3))
    const { quantities } = explain(loss, { exact: DiagHessian(), drawn: DiagHessianMC() }, { limit: 100 })
    expect(quantities[0]!.status).toBe('impossible')
    expect(quantities[0]!.columns).toBeGreaterThan(100)
    expect(quantities[0]!.because).toMatch(/DiagHessianMC/)
    expect(quantities[1]!.status).toBe('native')
    expect(() => backward(loss, { exact: DiagHessian() }, { limit: 100 })).toThrow(/more than 100 columns/)
  })
})
