/** @file Types of results and of compiled functions; checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest'
import {
  add,
  cast,
  argmin,
  clip,
  compile,
  cumsum,
  div,
  type Evaluated,
  evaluate,
  gather,
  hold,
  intTensor,
  lessEqual,
  logicalAnd,
  min,
  mod,
  type NamedMap,
  type NDArray,
  scatterElements,
  sin,
  tensor,
  type Tensor,
  topK,
  vmap,
} from '../src/index.ts'

declare const x: Tensor
declare const y: Tensor<'int32'>
declare const map: NamedMap<{ readonly name: string }, Tensor>

// Element types.
expectTypeOf(tensor([[1, 2]])).toEqualTypeOf<Tensor>()
expectTypeOf(tensor(new BigInt64Array(2), { shape: [2], dtype: 'int64' })).toEqualTypeOf<Tensor<'int64'>>()
expectTypeOf(intTensor([1])).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(x.reshape([1]).transpose()).toEqualTypeOf<Tensor>()
expectTypeOf(y.slice(0, 1)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(add(x, 1)).toEqualTypeOf<Tensor>()
expectTypeOf(gather(x, y)).toEqualTypeOf<Tensor>()
expectTypeOf(gather(y, cast(y, 'int64'))).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(topK(y, 1)).toEqualTypeOf<{
  readonly values: Tensor<'int32'>
  readonly indices: Tensor<'int32'>
}>()
// @ts-expect-error indices are integers
gather(x, x)
// @ts-expect-error updates have the dtype of what they are written to
scatterElements(x, y, y, 0)
expectTypeOf(div(y, 2)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(mod(y, y)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(min(y)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(cumsum(y, 0)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(clip(y, 0)).toEqualTypeOf<Tensor<'int32'>>()
expectTypeOf(lessEqual(y, 1)).toEqualTypeOf<Tensor<'bool'>>()
expectTypeOf(argmin(y, 0)).toEqualTypeOf<Tensor<'int32'>>()
// @ts-expect-error floats only
sin(y)
// @ts-expect-error bools only
logicalAnd(x, x)
// @ts-expect-error a typed array that does not hold the dtype
tensor(new Float32Array(2), { shape: [2], dtype: 'int32' })
// @ts-expect-error words
tensor(['a'])
// @ts-expect-error tensors are immutable
x.shape = [1]
// @ts-expect-error and so are shapes
x.shape[0] = 1

// Evaluation keeps the structure.
const values = await evaluate({ x, pair: [x, y], deep: { y }, map, fn: () => 3, n: 1 })
expectTypeOf(values.x).toEqualTypeOf<NDArray>()
expectTypeOf(values.x.data).toEqualTypeOf<Float32Array>()
expectTypeOf(values.pair[1]).toEqualTypeOf<NDArray<'int32'>>()
expectTypeOf(values.deep.y.data).toEqualTypeOf<Int32Array>()
expectTypeOf(values.map.get('a')).toEqualTypeOf<NDArray>()
expectTypeOf(values.fn).returns.toBeNumber()
expectTypeOf(values.n).toEqualTypeOf<1>()
expectTypeOf<Evaluated<readonly Tensor[]>>().toEqualTypeOf<readonly NDArray[]>()
// @ts-expect-error unknown key
void values.z
expectTypeOf(await x.read()).toEqualTypeOf<NDArray>()
expectTypeOf(await hold(y)).toEqualTypeOf<Tensor<'int32'>>()

// Compiled functions take tensors or arrays where the original took tensors.
const f = compile((a: Tensor, labels: Tensor<'int32'>) => ({ sum: a.sum(), labels }))
declare const image: NDArray
const found = await f(x, y)
expectTypeOf(found.sum).toEqualTypeOf<NDArray>()
expectTypeOf(found.labels).toEqualTypeOf<NDArray<'int32'>>()
await f(image, y)
await f(x, { shape: [1], dtype: 'int32', data: new Int32Array(1) })
// @ts-expect-error labels first
await f(y, x)
// @ts-expect-error one argument missing
await f(x)

expectTypeOf(vmap((a: Tensor, b: Tensor) => a.mul(b))).toEqualTypeOf<(a: Tensor, b: Tensor) => Tensor>()
