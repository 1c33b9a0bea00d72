import { crossEntropy, type Parameter, type ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { expectTypeOf } from 'vitest'
import {
  type CurvatureOperator,
  GGNOperator,
  type InverseOperator,
  inverse,
  type LinearOperator,
  type Solution,
} from '../../src/index.ts'

interface Samples {
  readonly x: Tensor
  readonly y: Tensor<'int32'>
}
declare const batch: Samples
declare const batches: AsyncIterable<Samples>
declare function begin(): AsyncGenerator<Samples>
declare function forward(x: Tensor): Tensor

const loss = ({ x, y }: Samples): Tensor => crossEntropy(forward(x), y)
for (const data of [batch, [batch, batch], batches, begin] as const) {
  expectTypeOf(GGNOperator({ loss, data })).resolves.toEqualTypeOf<CurvatureOperator>()
}
// The batches say what the loss gets.
void GGNOperator({ data: [batch], loss: (each) => crossEntropy(forward(each.x), each.y) })
void GGNOperator({ data: begin, loss: (each) => crossEntropy(forward(each.x), each.y) })
void GGNOperator({ data: batch, loss: (each) => crossEntropy(forward(each.x), each.y) })
// @ts-expect-error -- batches have no z
void GGNOperator({ data: begin, loss: (each: { readonly z: Tensor }) => forward(each.z) })

declare const ggn: CurvatureOperator
expectTypeOf(ggn.parameters).toEqualTypeOf<ParameterMap<Parameter>>()
expectTypeOf(ggn.damped(1)).toEqualTypeOf<LinearOperator>()
expectTypeOf(inverse(ggn)).toEqualTypeOf<InverseOperator>()
expectTypeOf(inverse(ggn).solve([1])).resolves.toEqualTypeOf<Solution>()
expectTypeOf(ggn.matvec([1])).resolves.toEqualTypeOf<Float64Array>()
