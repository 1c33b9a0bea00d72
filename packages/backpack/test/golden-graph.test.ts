import { backward, type Extension, type ParameterMap } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { evaluate, referenceEngine, type Tensor } from '@beyondgrad/tensor'
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
import { graphCases, graphLoss, readGraph } from './golden-graph.ts'

type Quantities = Record<string, Extension<ParameterMap<Tensor>>>

const extensions: Quantities = {
  grad: Gradient(),
  batch_grad: BatchGradient(),
  batch_l2: BatchL2(),
  sum_grad_squared: SumGradSquared(),
  variance: Variance(),
  diag_ggn_exact: DiagGGN(),
  diag_hessian: DiagHessian(),
}

const engines = [
  { name: 'reference engine', engine: referenceEngine(), rtol: 1e-8 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
]

describe.each(engines)('goldens of plain expressions on the $name', ({ engine, rtol }) => {
  it.each(graphCases())('%s', async (name) => {
    const golden = readGraph(name)
    const { loss, output, parameters } = graphLoss(golden)
    const results = backward(loss, extensions, { parameters })
    const { value, found, ...rest } = await evaluate({ value: loss, output, found: results }, { engine })
    golden.output.data.forEach((wanted, i) => {
      expect(Math.abs(rest.output.data[i]! - wanted)).toBeLessThanOrEqual(rtol * (1 + Math.abs(wanted)))
    })
    expect(value.data[0]).toBeCloseTo(golden.loss_value, rtol < 1e-6 ? 7 : 4)
    for (const [quantity, byParameter] of Object.entries(found)) {
      expect(byParameter.size).toBe(parameters.length)
      for (const [parameter, { shape, data }] of byParameter) {
        const expected = golden.quantities[quantity]![parameter.name]!
        expect(shape).toEqual(expected.shape)
        const scale = Math.max(...expected.data.map(Math.abs))
        expected.data.forEach((wanted, i) => {
          // What is zero in theory (a key's bias in attention) is rounding noise on both sides.
          const tolerance = rtol * Math.abs(wanted) + rtol * 1e-2 * scale + (rtol < 1e-6 ? 1e-12 : 1e-7)
          expect(Math.abs(data[i]! - wanted), `${quantity} of ${parameter.name}`).toBeLessThanOrEqual(
            tolerance,
          )
        })
      }
    }
  })
})
