/**
 * @file Identity 7 of the quantities (section 11 of their specification), for all of them: how each follows the scale of the loss, by the
 * degree that it declares. Of Kronecker factors the output's scales and the input's does not.
 */
import {
  arraysIn,
  backward,
  bceWithLogits,
  crossEntropy,
  type Extension,
  mseLoss,
} from '@beyondgrad/autograd'
import { evaluate, referenceEngine, sizeOf, type Tensor } from '@beyondgrad/tensor'
import type { Problem } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { GGNMP, HBP, HMP, PCHMP, quantities } from '../src/index.ts'
import { close } from './closeness.ts'
import { units } from './dense-blocks.ts'
import { convolutional, plain, sequences } from './layer-networks.ts'
import type { Network } from './network.ts'

const engine = referenceEngine()
const samples = 3

const vocabulary: Readonly<Record<string, () => Extension<unknown>>> = quantities
const ask: Readonly<Record<string, Extension<unknown>>> = {
  ...Object.fromEntries(Object.entries(vocabulary).map(([name, quantity]) => [name, quantity()])),
  'HBP of the Hessian': HBP({ curvature: 'hessian' }),
  'HBP of mean inputs': HBP({ inputs: 'mean' }),
  'HBP, averaged': HBP({ transport: 'average', curvature: 'pch-clip' }),
  'HBP, drawn': HBP({ loss: 'mc', mode: 'reduce' }),
  GGNMP: GGNMP({ vectors: units }),
  HMP: HMP({ vectors: units }),
  PCHMP: PCHMP({ vectors: units }),
}

/** Chains, as the averaged matrix needs them. */
const chosen: readonly Network[] = [
  ...plain.filter(({ name }) => /^(tanh|ReLU) net/.test(name)),
  convolutional[1]!,
  convolutional.at(-1)!,
  sequences[0]!,
]

/** Every array of `found` is `factor` to the power of its degree times that of `plain`. */
function follows(name: string, found: unknown, before: unknown, factor: number): void {
  const { degree } = ask[name]!['~spec']
  const [now, then] = [arraysIn(found), arraysIn(before)]
  expect([...now.keys()]).toEqual([...then.keys()])
  for (const [path, { data }] of then) {
    const key = path.split(' → ').at(-1)!
    const own = typeof degree === 'object' ? degree[key] : degree
    expect(typeof own, `degree of ${name}, ${path}`).toBe('number')
    const expected = Float64Array.from(data as Float64Array, (x) => x * factor ** (own as number))
    close(now.get(path)!.data as Float64Array, expected, 1e-10, `${name}, ${path}`)
  }
}

const resultsOf = async (loss: Tensor): Promise<Readonly<Record<string, unknown>>> =>
  evaluate(backward(loss, ask), { engine })

/** The loss of a problem with a reduction of one's own, and the number of terms that "mean" averages over. */
function withReduction(
  { model, inputs, targets }: Problem,
  draws: Network['draws'],
  reduction: 'mean' | 'sum',
): { readonly loss: Tensor; readonly terms: number } {
  const output = model(inputs)
  if (draws === 'cross-entropy') {
    return { loss: crossEntropy(output, targets as Tensor<'int32'>, { reduction }), terms: samples }
  }
  const of = draws === 'mse' ? mseLoss : bceWithLogits
  return { loss: of(output, targets as Tensor, { reduction }), terms: sizeOf(output.shape) }
}

describe.each(chosen)('$name', ({ problem, draws }) => {
  it('α times the loss scales every quantity by α to its degree', async () => {
    const { model, loss, inputs, targets } = problem(samples)
    const whole = loss(model(inputs), targets)
    const [before, after] = [await resultsOf(whole), await resultsOf(whole.mul(2.5))]
    for (const name of Object.keys(ask)) follows(name, after[name], before[name], 2.5)
  })

  it('"sum" is "mean" times the number of terms, to the degree', async () => {
    const [mean, sum] = (['mean', 'sum'] as const).map((reduction) =>
      withReduction(problem(samples), draws, reduction),
    ) as [{ loss: Tensor; terms: number }, { loss: Tensor; terms: number }]
    const [ofMean, ofSum] = [await resultsOf(mean.loss), await resultsOf(sum.loss)]
    for (const name of Object.keys(ask)) follows(name, ofSum[name], ofMean[name], mean.terms)
  })

  it('a negative multiple scales whatever needs no root', async () => {
    const { model, loss, inputs, targets } = problem(samples)
    const whole = loss(model(inputs), targets)
    const rootless = Object.fromEntries(Object.entries(ask).filter(([name]) => !name.startsWith('sqrt-')))
    // What is made positive looks at the sign of the loss.
    for (const name of ['PCHMP', 'HBP, averaged']) delete rootless[name]
    const { before, after } = await evaluate(
      { before: backward(whole, rootless), after: backward(whole.mul(-2.5), rootless) },
      { engine },
    )
    for (const name of Object.keys(rootless)) follows(name, after[name], before[name], -2.5)
  })
})
