/** @file Moving elements about, written as operators. A move that would change nothing adds none. */
import { type DType, type Shape, sizeOf } from '@beyondgrad/tensor'
import { arrayOf, type Emitter, type Value } from './emitter.ts'
import { isIdentity } from './layout.ts'

/** Swaps the last two axes. */
export function transposeLast(emit: Emitter, x: Value): Value {
  return emit.transpose(x, lastSwapped(x.shape.length))
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

/** `count` elements from `start` on, `step` apart, along an axis. */
export interface Cut {
  readonly axis: number
  readonly start: number
  readonly count: number
  readonly step: number
}

export function slice(emit: Emitter, x: Value, cuts: readonly Cut[]): Value {
  const { value, order } = emit.stored(x)
  const real = cuts
    .filter(({ axis, start, count, step }) => {
      return !(start === 0 && count === x.shape[axis]! && (step === 1 || count < 2))
    })
    .map((cut) => ({ ...cut, axis: order[cut.axis]! }))
  if (real.length === 0) return x
  const shape = [...value.shape]
  for (const { axis, count } of real) shape[axis] = count
  const positions = [
    emit.ints(real.map(({ start }) => start)),
    emit.ints(real.map(({ start, count, step }) => start + (count - 1) * step + 1)),
    emit.ints(real.map(({ axis }) => axis)),
  ]
  if (real.some(({ step }) => step !== 1)) positions.push(emit.ints(real.map(({ step }) => step)))
  return emit.transpose(emit.op('Slice', [value, ...positions], { shape, dtype: x.dtype }), order)
}

/** Adds elements around axes; negative amounts take them away. */
export function pad(
  emit: Emitter,
  x: Value,
  before: readonly number[],
  after: readonly number[],
  value = 0,
): Value {
  if ([...before, ...after].every((n) => n === 0)) return x
  const { value: source, order } = emit.stored(x)
  const [first, last] = [[...before], [...after]]
  order.forEach((axis, i) => {
    first[axis] = before[i]!
    last[axis] = after[i]!
  })
  const shape = source.shape.map((d, i) => d + first[i]! + last[i]!)
  const amounts = emit.ints([...first, ...last])
  const inputs = value === 0 ? [source, amounts] : [source, amounts, emit.scalar(x.dtype, value)]
  return emit.transpose(emit.op('Pad', inputs, { shape, dtype: x.dtype }), order)
}

export function concat(emit: Emitter, parts: readonly Value[], axis: number): Value {
  const [first] = parts
  if (parts.length === 1) return first!
  const { order } = emit.stored(first!)
  const alike = parts.every((part) => emit.stored(part).order.every((at, i) => at === order[i]))
  if (alike && !isIdentity(order)) {
    const stored = parts.map((part) => emit.stored(part).value)
    return emit.transpose(concat(emit, stored, order[axis]!), order)
  }
  const shape = [...first!.shape]
  shape[axis] = parts.reduce((size, part) => size + part.shape[axis]!, 0)
  return emit.op('Concat', parts, { shape, dtype: first!.dtype }, { axis })
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
