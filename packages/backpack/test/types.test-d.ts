/** @file Types of the quantities in use; checked by `tsc`, never run. */
import {
  backward,
  defineExtension,
  type Extension,
  gradientFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { compile, evaluate, type NDArray, type Tensor } from '@beyondgrad/tensor'
import { expectTypeOf } from 'vitest'
import {
  BatchGradient,
  BatchL2,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  Gradient,
  quantities,
  type QuantityName,
  SumGradSquared,
  Variance,
} from '../src/index.ts'

declare const loss: Tensor

const all = {
  gradient: Gradient(),
  each: BatchGradient(),
  norms: BatchL2(),
  squares: SumGradSquared(),
  variance: Variance(),
  ggn: DiagGGN(),
  mc: DiagGGNMC({ samples: 2, seed: 1 }),
  hessian: DiagHessian(),
}
const results = backward(loss, all)
expectTypeOf<keyof typeof results>().toEqualTypeOf<keyof typeof all>()
expectTypeOf(results.hessian).toEqualTypeOf<ParameterMap<Tensor>>()
const values = await evaluate(results)
expectTypeOf(values.variance).toEqualTypeOf<ParameterMap<NDArray>>()
expectTypeOf(values.variance.get('0.weight').data).toEqualTypeOf<Float32Array>()

// @ts-expect-error the exact one draws nothing
DiagGGN({ samples: 2 })
// @ts-expect-error samples are a number
DiagGGNMC({ samples: 'exact' })

// Names from a command line.
expectTypeOf(quantities['diag-ggn-mc']()).toEqualTypeOf<Extension<ParameterMap<Tensor>>>()
expectTypeOf<keyof typeof quantities>().toEqualTypeOf<QuantityName>()
// @ts-expect-error there is no such quantity
void quantities['diag-fisher']

// Needed by somebody else's quantity.
const ratio = defineExtension({
  name: 'signal-to-noise',
  needs: { gradient: Gradient(), variance: Variance() },
  flow: gradientFlow,
  parameter: ({ parameter, needs }) =>
    needs.gradient.get(parameter).square().div(needs.variance.get(parameter).add(1e-12)),
})
expectTypeOf(ratio).toEqualTypeOf<Extension<ParameterMap<Tensor>>>()

// Inside of a compiled function, beside the loss.
declare const classify: (x: Tensor, y: Tensor<'int32'>) => Tensor
declare const x: Tensor
declare const y: Tensor<'int32'>
const step = compile((a: Tensor, labels: Tensor<'int32'>) => {
  const value = classify(a, labels)
  return { value, ...backward(value, { v: Variance() }) }
})
const out = await step(x, y)
expectTypeOf(out.v).toEqualTypeOf<ParameterMap<NDArray>>()
expectTypeOf(out.value).toEqualTypeOf<NDArray>()
// @ts-expect-error labels first
await step(y, x)
