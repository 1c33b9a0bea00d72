/** @file Moving elements about, written as operators. A move that would change nothing adds none. */
import { broadcastShapes, type DType, sameShape, type Shape, sizeOf } from '@beyondgrad/tensor'
import { elementType } from '../tensor-proto.ts'
import { arrayOf, type Emitter, type Value } from './emitter.ts'

export function transpose(emit: Emitter, x: Value, permutation: readonly number[]): Value {
  if (permutation.every((axis, i) => axis === i)) return x
  const shape = permutation.map((axis) => x.shape[axis]!)
  // Moving axes of size 1 moves nothing.
  const moving = permutation.filter((axis) => x.shape[axis] !== 1)
  if (moving.every((axis, i) => i === 0 || axis > moving[i - 1]!)) return emit.reshape(x, shape)
  return emit.op('Transpose', [x], { shape, dtype: x.dtype }, { perm: permutation })
}

/** Swaps the last two axes. */
export function transposeLast(emit: Emitter, x: Value): Value {
  return transpose(emit, x, lastSwapped(x.shape.length))
}

/** The permutation that swaps the last two of `rank` axes. */
export function lastSwapped(rank: number): number[] {
  const order = Array.from({ length: rank }, (_, i) => i)
  order[rank - 2] = rank - 1
  order[rank - 1] = rank - 2
  return order
}

export function expand(emit: Emitter, x: Value, shape: Shape): Value {
  if (sizeOf(x.shape) === sizeOf(shape)) return emit.reshape(x, shape)
  return emit.op('Expand', [x, emit.ints(shape)], { shape, dtype: x.dtype })
}

/** `count` elements from `start` on, `step` apart, along each of `axes`. */
export interface Cut {
  readonly axis: number
  readonly start: number
  readonly count: number
  readonly step: number
}

export function slice(emit: Emitter, x: Value, cuts: readonly Cut[]): Value {
  const real = cuts.filter(
    ({ axis, start, count, step }) => !(start === 0 && count === x.shape[axis]! && (step === 1 || count < 2)),
  )
  if (real.length === 0) return x
  const shape = [...x.shape]
  for (const { axis, count } of real) shape[axis] = count
  return emit.op(
    'Slice',
    [
      x,
      emit.ints(real.map(({ start }) => start)),
      emit.ints(real.map(({ start, count, step }) => start + (count - 1) * step + 1)),
      emit.ints(real.map(({ axis }) => axis)),
      real.some(({ step }) => step !== 1) ? emit.ints(real.map(({ step }) => step)) : undefined,
    ].filter((input) => input !== undefined),
    { shape, dtype: x.dtype },
  )
}

export function pad(
  emit: Emitter,
  x: Value,
  before: readonly number[],
  after: readonly number[],
  value = 0,
): Value {
  if ([...before, ...after].every((n) => n === 0)) return x
  const shape = x.shape.map((d, i) => d + before[i]! + after[i]!)
  const amounts = emit.ints([...before, ...after])
  const inputs = value === 0 ? [x, amounts] : [x, amounts, emit.scalar(x.dtype, value)]
  return emit.op('Pad', inputs, { shape, dtype: x.dtype })
}

export function concat(emit: Emitter, parts: readonly Value[], axis: number): Value {
  const [first] = parts
  if (parts.length === 1) return first!
  const shape = [...first!.shape]
  shape[axis] = parts.reduce((size, part) => size + part.shape[axis]!, 0)
  return emit.op('Concat', parts, { shape, dtype: first!.dtype }, { axis })
}

export function cast(emit: Emitter, x: Value, to: DType): Value {
  if (x.dtype === to) return x
  return emit.op('Cast', [x], { shape: x.shape, dtype: to }, { to: elementType(to) })
}

/** A tensor of one repeated number. */
export function full(emit: Emitter, dtype: DType, shape: Shape, value: number): Value {
  if (shape.includes(0)) return empty(emit, dtype, shape)
  return expand(emit, emit.scalar(dtype, value), shape)
}

/** A tensor without elements. */
export function empty(emit: Emitter, dtype: DType, shape: Shape): Value {
  return emit.constant(dtype, shape, arrayOf(dtype, []))
}

/** An operator that works element by element on two broadcast operands; `dtype` is that of the result. */
export function binary(emit: Emitter, opType: string, a: Value, b: Value, dtype: DType = a.dtype): Value {
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(opType, a.shape, b.shape)
  return emit.op(opType, [a, b], { shape, dtype })
}
