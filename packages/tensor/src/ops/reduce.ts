/** @file Reductions. */
import { allocate, type DType, isFloat } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { type AnyTensor, build, type Tensor } from '../node.ts'
import type { Dense, Op, Signature } from '../op.ts'
import { formatShape, normalizeAxes, normalizeAxis, type Shape, sizeOf, stridesOf } from '../shape.ts'
import { broadcastIndex, mul } from './elementwise.ts'
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

function reduction(
  name: string,
  start: number,
  join: (accumulated: number, x: number) => number,
  emptyMeaning: boolean,
): Op {
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
      const sums = new Float64Array(sizeOf(output.shape)).fill(start)
      for (let i = 0; i < index.length; i++) sums[index[i]!] = join(sums[index[i]!]!, Number(x!.data[i]))
      return convert(sums, output.dtype)
    },
  }
}

function convert(values: Float64Array, dtype: DType): Dense['data'] {
  if (isFloat(dtype)) return values
  const target = allocate(dtype, values.length)
  for (let i = 0; i < values.length; i++) target[i] = dtype === 'int64' ? BigInt(values[i]!) : values[i]!
  return target
}

const sumOp = reduction('sum', 0, (a, x) => a + x, true)
const maxOp = reduction('max', -Infinity, (a, x) => (a !== a || x !== x ? NaN : x > a ? x : a), false)

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
    const best = new Float64Array(sizeOf(output.shape)).fill(-Infinity)
    const target = new Int32Array(best.length)
    for (let i = 0; i < index.length; i++) {
      const value = Number(x!.data[i])
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
  if (axes?.length === 0) return x
  return reduce(sumOp, x, axes, options?.keep ?? false)
}

/** Largest element along `axes` (default: all). NaN wins. */
export function max<D extends DType>(
  x: Tensor<D>,
  axes?: readonly number[],
  options?: { readonly keep?: boolean },
): Tensor<D> {
  if (axes?.length === 0) return x
  return reduce(maxOp, x, axes, options?.keep ?? false)
}

/** Index of the first largest element along `axis`. */
export function argmax(x: Tensor, axis: number, options?: { readonly keep?: boolean }): Tensor<'int32'> {
  return reduce(argmaxOp, x, [normalizeAxis('argmax', axis, x.shape.length)], options?.keep ?? false)
}

/** Arithmetic mean over `axes` (default: all), which must not be empty. */
export function mean(x: Tensor, axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor {
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
  const lead = x.shape.length - shape.length
  const axes: number[] = []
  for (let i = 0; i < x.shape.length; i++) {
    if (i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1)) axes.push(i)
  }
  if (axes.length === 0) return x
  return reshape(sum(x, axes), shape)
}
