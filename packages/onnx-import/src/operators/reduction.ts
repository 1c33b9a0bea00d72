/** @file Sums, extremes and norms over axes, and sums up to each element. */
import {
  abs,
  type AnyTensor,
  any,
  all,
  argmax,
  argmin,
  cast,
  cumsum,
  flip,
  full,
  isFloat,
  log,
  logSumExp,
  max,
  mean,
  min,
  mul,
  norm,
  prod,
  slice,
  square,
  concat,
  sum,
  type Tensor,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable, type OperatorVersion } from '../operator.ts'

type Reduce = (x: Tensor, axes: number[], options: { readonly keep: boolean }) => AnyTensor

/** Axes are an attribute, then an input; with none of them all are meant, unless a flag says that it is none at all. */
function reduction(apply: Reduce, single: (x: Tensor) => AnyTensor = (x) => x): OperatorVersion[] {
  return operator(
    (call) => {
      const x = call.any(0) as Tensor
      const keep = call.attributes.flag('keepdims', true)
      const given = call.list('axes', 1)
      const none = given === undefined || given.length === 0
      if (none && call.attributes.flag('noop_with_empty_axes')) return single(x)
      const rank = x.shape.length
      const axes = none
        ? x.shape.map((_, axis) => axis)
        : given.map((axis) => (axis < 0 ? axis + rank : axis))
      return apply(x, axes, { keep })
    },
    { known: [1] },
  )
}

/** The extreme of nothing is the number that loses against all others. */
function extreme(
  apply: (x: Tensor, axes: number[], options: { readonly keep: boolean }) => Tensor,
  ofBools: (x: Tensor<'bool'>, axes: number[], options: { readonly keep: boolean }) => AnyTensor,
  worst: number,
): OperatorVersion[] {
  return reduction((x, axes, options) => {
    const { dtype } = x as AnyTensor
    if (dtype === 'bool') {
      return ofBools(x as unknown as Tensor<'bool'>, axes, options)
    }
    if (!axes.some((axis) => x.shape[axis] === 0)) return apply(x, axes, options)
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (options.keep ? [1] : []) : [size]))
    return cast(full(shape, isFloat(dtype) ? worst : Math.sign(worst) * 2 ** 31), dtype)
  })
}

function extremeIndex(call: OperatorCall, apply: typeof argmax): AnyTensor {
  const x = call.any(0)
  const rank = x.shape.length
  const axis = call.attributes.int('axis', 0)
  const at = axis < 0 ? axis + rank : axis
  const options = { keep: call.attributes.flag('keepdims', true) }
  if (!call.attributes.flag('select_last_index')) return cast(apply(x, at, options), 'int64')
  // The last of equals is the first from behind.
  const behind = cast(apply(flip(x, [at]), at, options), 'int64')
  return mul<'int64'>(behind, -1).add((x.shape[at] ?? 1) - 1)
}

/** Products up to each element, by doubling: about log₂ n multiplications. */
function cumulativeProduct(call: OperatorCall): AnyTensor {
  const x = call.number(0)
  const rank = x.shape.length
  const given = call.scalar(1)
  const axis = given < 0 ? given + rank : given
  const size = x.shape[axis] ?? call.fail(`there is no axis ${given}`)
  const reverse = call.attributes.flag('reverse')
  const ones = (count: number): Tensor => {
    const shape = x.shape.map((n, i) => (i === axis ? count : n))
    return cast(full(shape, 1), x.dtype)
  }
  let y = reverse ? flip(x, [axis]) : x
  if (call.attributes.flag('exclusive') && size > 0) y = concat([ones(1), slice(y, axis, 0, size - 1)], axis)
  for (let step = 1; step < size; step *= 2) {
    y = mul(y, concat([ones(step), slice(y, axis, 0, size - step)], axis))
  }
  return reverse ? flip(y, [axis]) : y
}

export const reductions: OperatorTable = {
  ArgMax: operator((call) => extremeIndex(call, argmax)),
  ArgMin: operator((call) => extremeIndex(call, argmin)),
  CumProd: operator(cumulativeProduct, { known: [1] }),
  CumSum: operator(
    (call) =>
      cumsum(call.number(0), call.scalar(1), {
        exclusive: call.attributes.flag('exclusive'),
        reverse: call.attributes.flag('reverse'),
      }),
    { known: [1] },
  ),
  ReduceL1: reduction((x, axes, options) => sum(abs(x), axes, options), abs),
  ReduceL2: reduction(
    (x, axes, options) => (isFloat(x.dtype) ? norm(x, axes, options) : sum(x, axes, options)),
    abs,
  ),
  ReduceLogSum: reduction((x, axes, options) => log(sum(x, axes, options)), log),
  ReduceLogSumExp: reduction((x, axes, options) => logSumExp(x, axes, options)),
  ReduceMax: extreme(max, any, -Infinity),
  ReduceMean: reduction((x, axes, options) => mean(x, axes, options)),
  ReduceMin: extreme(min, all, Infinity),
  ReduceProd: reduction((x, axes, options) => prod(x, axes, options)),
  ReduceSum: reduction((x, axes, options) => sum(x, axes, options)),
  ReduceSumSquare: reduction((x, axes, options) => sum(square(x), axes, options), square),
}
