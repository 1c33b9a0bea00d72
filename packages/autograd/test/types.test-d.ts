/** @file Types of `backward` and of extensions, as authors and users write them; checked by `tsc`, never run. */
import { evaluate, type NDArray, type Tensor } from '@beyondgrad/tensor'
import { expectTypeOf } from 'vitest'
import {
  backward,
  type Columns,
  type Contribution,
  defineExtension,
  type Extension,
  ggnFlow,
  type Flow,
  gradient,
  gradientFlow,
  type Parameter,
  type ParameterMap,
  type Results,
} from '../src/index.ts'

declare const loss: Tensor
declare const w: Parameter
declare function Norms(): Extension<ParameterMap<Tensor>>
declare function Gradient(): Extension<ParameterMap<Tensor>>
declare function Factors(): Extension<ParameterMap<readonly Tensor[]>>
declare function Products(): Extension<ParameterMap<(vector: Tensor) => Tensor>>

// Options by closure, needs typed, the result that of `parameter`.
export interface CosineOptions {
  readonly epsilon?: number
}
export function BatchCosine({ epsilon = 1e-12 }: CosineOptions = {}): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'batch-cosine',
    options: { epsilon },
    needs: { norms: Norms(), gradient: Gradient() },
    flow: gradientFlow,
    parameter({ contribution, parameter, needs, context }) {
      expectTypeOf(contribution).toEqualTypeOf<Contribution>()
      expectTypeOf(parameter).toEqualTypeOf<Parameter>()
      expectTypeOf(needs.norms).toEqualTypeOf<ParameterMap<Tensor>>()
      expectTypeOf(needs).toEqualTypeOf<
        Results<{
          readonly norms: Extension<ParameterMap<Tensor>>
          readonly gradient: Extension<ParameterMap<Tensor>>
        }>
      >()
      expectTypeOf(context.batchSize).toBeNumber()
      // @ts-expect-error it does not need that
      void needs.variance
      const dot = contribution.dot(needs.gradient.get(parameter))
      return dot.div(needs.norms.get(parameter).sqrt().add(epsilon))
    },
  })
}

// `finish` changes the result, inferred without an annotation.
const norms = defineExtension(
  { name: 'global-norm', flow: gradientFlow, parameter: ({ contribution }) => contribution.squaredNorm() },
  ({ byParameter }) => {
    expectTypeOf(byParameter).toEqualTypeOf<ParameterMap<Tensor>>()
    return {
      total: [...byParameter].map(([, norm]) => norm).reduce((a, b) => a.add(b)),
      count: byParameter.size,
    }
  },
)
expectTypeOf(norms).toEqualTypeOf<Extension<{ total: Tensor; count: number }>>()

// The finished result of one is there inside the other.
const clipped = defineExtension({
  name: 'clipped',
  needs: { norms },
  flow: gradientFlow,
  parameter: ({ contribution, needs }) => contribution.weightedSum(needs.norms.total),
})
expectTypeOf(clipped).toEqualTypeOf<Extension<ParameterMap<Tensor>>>()

// The flow decides what arrives.
const columns = defineExtension({
  name: 'columns',
  flow: ggnFlow({ samples: 1 }),
  parameter: ({ contribution }) => {
    expectTypeOf(contribution).toEqualTypeOf<Columns>()
    return [contribution.materialize()] as const
  },
})
expectTypeOf(columns).toEqualTypeOf<Extension<ParameterMap<readonly [Tensor]>>>()
defineExtension({
  name: 'wrong',
  flow: gradientFlow,
  parameter: ({ contribution }) => {
    // @ts-expect-error a first-order contribution has no columns
    void contribution.columns
    return contribution.sum()
  },
})
declare const counting: Flow<number>
defineExtension({
  name: 'counting',
  flow: counting,
  parameter: ({ contribution }) => {
    expectTypeOf(contribution).toBeNumber()
    return contribution
  },
})

// Keys are kept, each result typed by its extension.
const results = backward(loss.mul(2), {
  gradient: Gradient(),
  norms,
  cosine: BatchCosine(),
  factors: Factors(),
  products: Products(),
})
expectTypeOf(results.gradient).toEqualTypeOf<ParameterMap<Tensor>>()
expectTypeOf(results.norms.count).toBeNumber()
expectTypeOf(results.factors).toEqualTypeOf<ParameterMap<readonly Tensor[]>>()
expectTypeOf(results.products.get(w)(loss)).toEqualTypeOf<Tensor>()
// @ts-expect-error unknown key
void results.variance
// @ts-expect-error factories are called
backward(loss, { gradient: Gradient })

const values = await evaluate(results)
expectTypeOf(values.gradient).toEqualTypeOf<ParameterMap<NDArray>>()
expectTypeOf(values.gradient.get('0.weight').data).toEqualTypeOf<Float32Array>()
expectTypeOf(values.factors).toEqualTypeOf<ParameterMap<readonly NDArray[]>>()
expectTypeOf(values.norms.total).toEqualTypeOf<NDArray>()
expectTypeOf(values.products.get(w)).toEqualTypeOf<(vector: Tensor) => Tensor>()

// Sets of extensions that are only known when a program runs.
const dynamic: Record<string, Extension<ParameterMap<Tensor | readonly Tensor[]>>> = {
  a: Gradient(),
  k: Factors(),
}
const erased = await evaluate(backward(loss, dynamic))
expectTypeOf(erased.a?.get(w)).toEqualTypeOf<NDArray | readonly NDArray[] | undefined>()

// The gradient by parameter, or in the order of the nodes.
expectTypeOf(gradient(loss)).toEqualTypeOf<ParameterMap<Tensor>>()
expectTypeOf(gradient(loss, [w.value])).toEqualTypeOf<Tensor[]>()
