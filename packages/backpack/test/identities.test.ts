/** @file The identities of the quantities (section 11 of their specification), on every network. */
import { backward, defineExtension, type Extension, ggnFlow, type ParameterMap } from '@beyondgrad/autograd'
import { evaluate, mul, type NDArray, referenceEngine, type Tensor, tensor } from '@beyondgrad/tensor'
import { rows } from '@beyondgrad/nn'
import type { Problem } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  BatchGradient,
  BatchL2,
  DiagGGN,
  DiagHessian,
  Gradient,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { plain } from './layer-networks.ts'
import { regression } from './network.ts'
import { networks } from './networks.ts'

const engine = referenceEngine()

const firstOrder = {
  gradient: Gradient(),
  each: BatchGradient(),
  norms: BatchL2(),
  squares: SumGradSquared(),
  variance: Variance(),
}

type Quantities = Readonly<Record<string, Extension<ParameterMap<Tensor>>>>
type Values<X> = { readonly [K in keyof X]: ParameterMap<NDArray> }

/** Quantities of a problem, its loss multiplied with α, its batch in another order. */
async function quantitiesOf<X extends Quantities>(
  { model, loss, inputs, targets }: Problem,
  extensions: X,
  change: { readonly alpha?: number; readonly memory?: number } = {},
): Promise<Values<X>> {
  const whole = loss(model(inputs), targets)
  const scaled = change.alpha === undefined ? whole : mul(whole, change.alpha)
  const options = change.memory === undefined ? {} : { memory: change.memory }
  return (await evaluate(backward(scaled, extensions, options), { engine })) as Values<X>
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(found.length, what).toBe(expected.length)
  const scale = Math.max(1e-9, ...Array.from(expected, Math.abs))
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i]! - expected[i]!)
    expect(error / scale, `${what}, element ${i}: ${found[i]} instead of ${expected[i]}`).toBeLessThan(1e-10)
  }
}

function expectAll(
  found: ParameterMap<NDArray>,
  expected: (name: string) => ArrayLike<number>,
  what: string,
): void {
  for (const [parameter, { data }] of found)
    expectClose(data, expected(parameter.name), `${what} of ${parameter.name}`)
}

/** Of [N, P], Σₙ f(row n). */
function overRows({ shape, data }: NDArray, f: (x: number) => number): number[] {
  const columns = data.length / shape[0]!
  return Array.from({ length: columns }, (_, p) =>
    Array.from({ length: shape[0]! }, (__, n) => f(data[n * columns + p]!)).reduce((a, b) => a + b, 0),
  )
}

const samples = 3
const secondOrder: Quantities = { ggn: DiagGGN(), hessian: DiagHessian() }

describe.each(networks)('$name', (network) => {
  const problem = (): Problem => network.problem(samples)

  it('1: individual gradients sum to the gradient, and are what norms, squares and variance are made of', async () => {
    const { gradient, each, norms, squares, variance } = await quantitiesOf(problem(), firstOrder)
    expectAll(gradient, (name) => overRows(each.get(name), (g) => g), 'gradient')
    expectAll(squares, (name) => overRows(each.get(name), (g) => g * g), 'squares')
    for (const [parameter, { shape, data }] of norms) {
      expect(shape).toEqual([samples])
      const own = each.get(parameter)
      const columns = own.data.length / samples
      const expected = Array.from({ length: samples }, (_, n) =>
        own.data.slice(n * columns, (n + 1) * columns).reduce((sum, g) => sum + g * g, 0),
      )
      expectClose(data, expected, `norms of ${parameter.name}`)
    }
    for (const [parameter, { data }] of variance) {
      const [square, total] = [squares.get(parameter).data, gradient.get(parameter).data]
      const scale = Math.max(1e-9, ...square) / samples
      data.forEach((v, i) => {
        const expected = square[i]! / samples - (total[i]! / samples) ** 2
        expect(Math.abs(v - expected) / scale, `variance of ${parameter.name}, element ${i}`).toBeLessThan(
          1e-10,
        )
        expect(v).toBeGreaterThanOrEqual(0)
      })
    }
  })

  it.skipIf(network.indefinite)('2: the diagonal of the GGN is the sum of its columns’ squares', async () => {
    const columns = defineExtension({
      name: 'columns',
      flow: ggnFlow(),
      parameter: ({ contribution }) => contribution.materialize().square().sum([0, 1]),
    })
    const found = await quantitiesOf(problem(), { ggn: DiagGGN(), columns })
    expectAll(found.ggn, (name) => found.columns.get(name).data, 'ggn')
  })

  it('7: α times the loss scales curvature and gradients by α, squares and variances by α²', async () => {
    const alpha = -2.5
    const extensions = { ...firstOrder, ...secondOrder }
    const [one, scaled] = [
      await quantitiesOf(problem(), extensions),
      await quantitiesOf(problem(), extensions, { alpha }),
    ]
    for (const key of Object.keys(extensions) as (keyof typeof extensions)[]) {
      const factor = alpha ** (extensions[key]['~spec'].degree as number)
      expectAll(scaled[key], (name) => one[key].get(name).data.map((x) => x * factor), key)
    }
  })

  it('8: permuting the samples permutes what belongs to them, and nothing else changes', async () => {
    const { model, loss, inputs, targets } = problem()
    const order = [2, 0, 1]
    const values = await evaluate({ inputs, targets }, { engine })
    const permuted: Problem = {
      model,
      loss,
      inputs: tensor(rows(values.inputs, order)),
      targets: tensor(rows(values.targets as NDArray, order)),
    }
    const extensions = { ...firstOrder, ...secondOrder }
    const before = await quantitiesOf({ model, loss, inputs, targets }, extensions)
    const after = await quantitiesOf(permuted, extensions)
    for (const key of Object.keys(extensions) as (keyof typeof extensions)[]) {
      const own = key === 'each' || key === 'norms'
      expectAll(
        after[key],
        (name) => (own ? rows(before[key].get(name), order) : before[key].get(name)).data,
        key,
      )
    }
  })

  it('second order is the same in one piece and one column at a time', async () => {
    const extensions = secondOrder
    const whole = await quantitiesOf(problem(), extensions)
    const pieces = await quantitiesOf(problem(), extensions, { memory: 1 })
    for (const key of Object.keys(extensions))
      expectAll(pieces[key]!, (name) => whole[key]!.get(name).data, key)
  })
})

describe('8: a batch that is split', () => {
  const summed = plain.filter(({ name }) => name.endsWith('(sum)'))

  it.each(summed)('$name: quantities of the samples concatenate, sums add up', async ({ problem }) => {
    const { model, loss, inputs, targets } = problem(5)
    const values = await evaluate({ inputs, targets }, { engine })
    const part = (from: number, to: number): Problem => {
      const which = Array.from({ length: to - from }, (_, i) => from + i)
      return {
        model,
        loss,
        inputs: tensor(rows(values.inputs, which)),
        targets: tensor(rows(values.targets as NDArray, which)),
      }
    }
    const extensions = { ...firstOrder, ggn: DiagGGN(), hessian: DiagHessian() }
    const whole = await quantitiesOf({ model, loss, inputs, targets }, extensions)
    const parts = [await quantitiesOf(part(0, 2), extensions), await quantitiesOf(part(2, 5), extensions)]
    for (const key of ['each', 'norms'] as const) {
      expectAll(whole[key], (name) => parts.flatMap((p) => Array.from(p[key].get(name).data)), key)
    }
    for (const key of ['gradient', 'squares', 'ggn', 'hessian'] as const) {
      const [first, second] = parts
      expectAll(
        whole[key],
        (name) => first![key].get(name).data.map((x, i) => x + second![key].get(name).data[i]!),
        key,
      )
    }
  })
})

describe('5 and 7', () => {
  const piecewiseLinear = networks.filter(({ name }) => /^(one linear layer|ReLU net)/.test(name))

  it.each(piecewiseLinear)(
    '5: in a piecewise linear net the Hessian is the GGN: $name',
    async ({ problem }) => {
      const { ggn, hessian } = await quantitiesOf(problem(4), { ggn: DiagGGN(), hessian: DiagHessian() })
      expectAll(hessian, (name) => ggn.get(name).data, 'hessian')
    },
  )

  it('5: in a networks net it is not', async () => {
    const tanh = plain.find(({ name }) => name.startsWith('tanh net'))!
    const { ggn, hessian } = await quantitiesOf(tanh.problem(4), { ggn: DiagGGN(), hessian: DiagHessian() })
    const difference = hessian.get('0.weight').data.map((x, i) => Math.abs(x - ggn.get('0.weight').data[i]!))
    expect(Math.max(...difference)).toBeGreaterThan(1e-3)
  })

  it('7: "sum" is 1/c times "mean" for gradients and curvature, 1/c² for squares, norms and variances', async () => {
    const model = plain[3]!.problem(samples).model
    const [mean, sum] = (['mean', 'sum'] as const).map((reduction) =>
      regression('', [4], [2], () => model, { reduction }).problem(samples),
    )
    const extensions = { ...firstOrder, ggn: DiagGGN(), hessian: DiagHessian() }
    const [ofMean, ofSum] = [await quantitiesOf(mean!, extensions), await quantitiesOf(sum!, extensions)]
    for (const key of Object.keys(extensions) as (keyof typeof extensions)[]) {
      const factor = (samples * 2) ** (extensions[key]['~spec'].degree as number)
      expectAll(ofSum[key], (name) => ofMean[key].get(name).data.map((x) => x * factor), key)
    }
  })
})
