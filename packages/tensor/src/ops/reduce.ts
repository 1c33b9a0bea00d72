/** @file Reductions. */
import { allocate, type DType, isFloat } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { demandTensors, type AnyTensor, build, type Tensor } from '../node.ts'
import type { Op, Signature } from '../op.ts'
import {
  checkList,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  sizeOf,
  stridesOf,
} from '../shape.ts'
import { mul } from './elementwise.ts'
import { broadcastIndex } from './pointwise.ts'
import { reshape } from './movement.ts'

interface ReduceAttributes {
  readonly axes: readonly number[]
  readonly keep: boolean
}

/** The shape after `axes` are gone, or are left as ones. */
function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): number[] {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i))
}

/** For each element of the input, the index of the element of the result that it goes into. */
function targetIndex(shape: Shape, axes: readonly number[]): Int32Array {
  return broadcastIndex(reducedShape(shape, axes, true), shape)
}

type Scalar = number | bigint

interface Reduction {
  /** Where floats begin. */
  readonly float: number
  /** Where integers begin. */
  readonly int32: number
  readonly int64: bigint
  readonly join: (accumulated: Scalar, x: Scalar) => Scalar
  /** Whether nothing at all can be reduced. */
  readonly emptyMeaning: boolean
}

/** Integers are joined as they are stored: int32 wraps at 32 bits, int64 at 64. */
function reduction(name: string, { join, emptyMeaning, ...start }: Reduction): Op {
  return {
    name,
    family: 'reduce',
    infer: ([x], attributes): Signature => {
      const { axes, keep } = attributes as unknown as ReduceAttributes
      if (x!.dtype === 'bool') throw new DTypeError(name, 'takes numbers, not bool; use cast()')
      if (!emptyMeaning && axes.some((axis) => x!.shape[axis] === 0)) {
        throw new ShapeError(name, `there is no ${name} over an empty axis of ${formatShape(x!.shape)}`)
      }
      return { shape: reducedShape(x!.shape, axes, keep), dtype: x!.dtype }
    },
    kernel: ([x], attributes, output) => {
      const { axes } = attributes as unknown as ReduceAttributes
      const index = targetIndex(x!.shape, axes)
      const { dtype } = output
      const joined = allocate(dtype, sizeOf(output.shape), 'float64')
      const first = dtype === 'int64' ? start.int64 : dtype === 'int32' ? start.int32 : start.float
      joined.fill(first as never)
      for (let i = 0; i < index.length; i++) joined[index[i]!] = join(joined[index[i]!]!, x!.data[i]!)
      return joined
    },
  }
}

const least64 = -(2n ** 63n)

const sumOp = reduction('sum', {
  float: 0,
  int32: 0,
  int64: 0n,
  join: (a, x) => (a as number) + (x as number),
  emptyMeaning: true,
})
const maxOp = reduction('max', {
  float: -Infinity,
  int32: -(2 ** 31),
  int64: least64,
  join: (a, x) => (x > a || x !== x ? x : a),
  emptyMeaning: false,
})
const minOp = reduction('min', {
  float: Infinity,
  int32: 2 ** 31 - 1,
  int64: -least64 - 1n,
  join: (a, x) => (x < a || x !== x ? x : a),
  emptyMeaning: false,
})

const argmaxOp: Op = {
  name: 'argmax',
  family: 'reduce',
  infer: ([x], attributes) => {
    const axes = attributes.axes as readonly number[]
    if (x!.shape[axes[0]!] === 0) {
      throw new ShapeError('argmax', `there is no argmax over an empty axis of ${formatShape(x!.shape)}`)
    }
    return { shape: reducedShape(x!.shape, axes, attributes.keep as boolean), dtype: 'int32' }
  },
  kernel: ([x], attributes, output) => {
    const axis = (attributes.axes as readonly number[])[0]!
    const index = targetIndex(x!.shape, [axis])
    const inner = stridesOf(x!.shape)[axis]!
    const target = new Int32Array(sizeOf(output.shape))
    const best = new Array<Scalar>(target.length).fill(-Infinity)
    for (let i = 0; i < index.length; i++) {
      const value = x!.data[i]!
      if (value > best[index[i]!]!) {
        best[index[i]!] = value
        target[index[i]!] = Math.floor(i / inner) % x!.shape[axis]!
      }
    }
    return target
  },
}

function reduce<D extends DType>(
  op: Op,
  x: AnyTensor,
  axes: readonly number[] | undefined,
  keep: boolean,
): Tensor<D> {
  return build(op, [x], { axes: normalizeAxes(op.name, axes, x.shape.length), keep })
}

/** Sum over `axes` (default: all). The sum over nothing is 0. */
export function sum<D extends DType>(
  x: Tensor<D>,
  axes?: readonly number[],
  options?: { readonly keep?: boolean },
): Tensor<D> {
  demandTensors('sum', x)
  if (axes?.length === 0) return x
  return reduce(sumOp, x, axes, options?.keep ?? false)
}

/** Largest element along `axes` (default: all). NaN wins. */
export function max<D extends DType>(
  x: Tensor<D>,
  axes?: readonly number[],
  options?: { readonly keep?: boolean },
): Tensor<D> {
  demandTensors('max', x)
  if (axes?.length === 0) return x
  return reduce(maxOp, x, axes, options?.keep ?? false)
}

/** Smallest element along `axes` (default: all). NaN wins. */
export function min<D extends DType>(
  x: Tensor<D>,
  axes?: readonly number[],
  options?: { readonly keep?: boolean },
): Tensor<D> {
  demandTensors('min', x)
  if (axes?.length === 0) return x
  return reduce(minOp, x, axes, options?.keep ?? false)
}

/** Index of the first largest element along `axis`. NaN is never the largest. */
export function argmax(x: AnyTensor, axis: number, options?: { readonly keep?: boolean }): Tensor<'int32'> {
  demandTensors('argmax', x)
  return reduce(argmaxOp, x, [normalizeAxis('argmax', axis, x.shape.length)], options?.keep ?? false)
}

/** Arithmetic mean over `axes` (default: all), which must not be empty. */
export function mean(x: Tensor, axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor {
  demandTensors('mean', x)
  if (!isFloat(x.dtype))
    throw new DTypeError('mean', `takes floating-point numbers, not ${String(x.dtype)}; use cast()`)
  const over = normalizeAxes('mean', axes, x.shape.length)
  const count = over.reduce((n, axis) => n * x.shape[axis]!, 1)
  if (count === 0) {
    throw new ShapeError(
      'mean',
      `there is no mean over axes [${over.join(', ')}] of ${formatShape(x.shape)}: empty`,
    )
  }
  return mul(sum(x, over, options), 1 / count)
}

/** Sums a tensor that was broadcast to `x.shape` back to `shape`: the transpose of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  demandTensors('sumTo', x)
  checkList('sumTo', 'the shape', shape)
  const lead = x.shape.length - shape.length
  const axes: number[] = []
  for (let i = 0; i < x.shape.length; i++) {
    if (i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1)) axes.push(i)
  }
  if (axes.length === 0) return x
  return reshape(sum(x, axes), shape)
}
