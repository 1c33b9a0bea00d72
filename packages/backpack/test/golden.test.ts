import { backward } from '@beyondgrad/autograd'
import { type Engine, evaluate, referenceEngine } from '@beyondgrad/tensor'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
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
import { type Golden, goldenCases, lossOf, modelOf, readGolden, type Values } from './golden.ts'

const extensions = {
  grad: Gradient(),
  batch_grad: BatchGradient(),
  batch_l2: BatchL2(),
  sum_grad_squared: SumGradSquared(),
  variance: Variance(),
  diag_ggn_exact: DiagGGN(),
  diag_hessian: DiagHessian(),
}

/** Largest deviation, in units of the tolerance: |found − expected| / (rtol · |expected| + floor). */
function worst(found: ArrayLike<number>, expected: Values, rtol: number, scale: number): number {
  let most = 0
  for (let i = 0; i < expected.data.length; i++) {
    const deviation = Math.abs(found[i]! - expected.data[i]!)
    // The printed values have nine digits; what is zero in theory is rounding noise.
    const tolerance = rtol * Math.abs(expected.data[i]!) + rtol * 1e-2 * scale + 1e-12
    most = Math.max(most, deviation / tolerance)
    if (Number.isNaN(deviation)) return Infinity
  }
  return most
}

async function check(golden: Golden, engine: Engine, rtol: number): Promise<void> {
  const loss = lossOf(golden, modelOf(golden))
  const { value, ...results } = await evaluate({ value: loss, ...backward(loss, extensions) }, { engine })
  expect(value.data[0]).toBeCloseTo(golden.loss_value, rtol < 1e-6 ? 7 : 4)
  for (const [quantity, byParameter] of Object.entries(results)) {
    const expected = golden.quantities[quantity]!
    expect(byParameter.names).toEqual(Object.keys(golden.parameters))
    for (const [parameter, { shape, data }] of byParameter) {
      const values = expected[parameter.name]!
      expect(shape, `${quantity} of ${parameter.name}`).toEqual(values.shape)
      const scale = Math.max(...values.data.map(Math.abs))
      expect(worst(data, values, rtol, scale), `${quantity} of ${parameter.name}`).toBeLessThan(1)
    }
  }
}

const engines = [
  { name: 'reference engine', engine: referenceEngine(), rtol: 1e-8 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
]

describe.each(engines)('goldens on the $name', ({ engine, rtol }) => {
  it.each(goldenCases('logreg', 'mlp', 'conv'))('%s', async (name) => {
    await check(readGolden(name), engine, rtol)
  })
})
