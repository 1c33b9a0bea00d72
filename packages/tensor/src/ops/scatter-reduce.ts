/**
 * @file Writing by index, as ONNX ScatterElements and ScatterND. Where several updates meet in one place and don't
 * simply add up, they are sorted by place first; products alone are made by comparing each update with each place.
 */
import { type DType, isFloat } from '../dtype.ts'
import { BeyondgradError, DTypeError, ShapeError } from '../errors.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { formatShape, normalizeAxis, sameShape, type Shape, sizeOf } from '../shape.ts'
import { add, cast, equal, greater, maximum, minimum, mul, neg, where } from './elementwise.ts'
import { aroundAxis, gatherElementsAt, joinedPositions } from './gather.ts'
import { concat, expand, full, iota, pad, reshape, slice, unsqueeze } from './movement.ts'
import { type Indices, positions } from './positions.ts'
import { scatterElementsAddAt } from './scatter.ts'
import { argsort } from './sort.ts'

/** What becomes of an element and the updates for its place. */
export type ScatterReduction = 'none' | 'add' | 'mul' | 'max' | 'min'

export interface ScatterOptions {
  /**
   * "none": the last update replaces the element. "add", "mul", "max" and "min" join the element with all updates.
   * Default: "none".
   */
  readonly reduction?: ScatterReduction
}

/** Float operations on numbers of any type. */
type Numeric = Tensor

/** Updates and their places, [O, M, I] both. */
interface Written {
  readonly at: Tensor<'int32'>
  readonly updates: Numeric
}

/** Joins updates [O, M, I], at least one, into x [O, S, I] at positions [O, M, I]. */
function joined(x: Numeric, at: Tensor<'int32'>, updates: Numeric, reduction: ScatterReduction): Numeric {
  const size = x.shape[1]!
  switch (reduction) {
    case 'add':
      return add(x, scatterElementsAddAt(updates, at, 1, size))
    case 'mul':
      return mul(x, products(at, updates, size))
    case 'none':
      return replaced(x, { at, updates }, (_old, update) => update)
    case 'max':
      return replaced(x, inOrder({ at, updates }, argsort(updates, 1)), maximum)
    case 'min':
      // Turned around, NaN still counts as the largest, and wins; the smallest integer has no negative.
      if (isFloat(x.dtype)) return neg(joined(neg(x), at, neg(updates), 'max'))
      return replaced(x, inOrder({ at, updates }, argsort(updates, 1, { descending: true })), minimum)
  }
}

function inOrder({ at, updates }: Written, order: Tensor<'int32'>): Written {
  return { at: gatherElementsAt(at, order, 1), updates: gatherElementsAt(updates, order, 1) }
}

/** Joins each element with the last of its updates. Sorting by place is stable, so that this one ends a run. */
function replaced(x: Numeric, given: Written, join: (old: Numeric, update: Numeric) => Numeric): Numeric {
  const [outer, size, inner] = x.shape as [number, number, number]
  const { at, updates } = given.at.shape[1]! < 2 ? given : inOrder(given, argsort(given.at, 1))
  const end = expand(cast(full([1, 1, 1], size), 'int32'), [outer, 1, inner])
  const next = concat([slice(at, 1, 1), end], 1)
  const isLast = greater<'int32'>(next, at)
  const none = zeroLike(updates)
  const update = scatterElementsAddAt(where(isLast, updates, none), at, 1, size)
  const hits = scatterElementsAddAt(cast(isLast, 'int32'), at, 1, size)
  return where(greater<'int32'>(hits, 0), join(x, update), x)
}

const zeroLike = ({ dtype }: Numeric): Numeric => cast(full([], 0), dtype)

/** The product of the updates for each place, 1 where there are none. */
function products(at: Tensor<'int32'>, updates: Numeric, size: number): Numeric {
  // [O, M, S, I]
  const places = reshape(iota(size), [1, 1, size, 1])
  const hits = equal<'int32'>(unsqueeze(at, [2]), places)
  const one = cast(full([], 1), updates.dtype)
  let factors = where(hits, unsqueeze(updates, [2]), one)
  while (factors.shape[1]! > 1) {
    const half = Math.ceil(factors.shape[1]! / 2)
    const rest = slice(factors, 1, half)
    const missing = half - rest.shape[1]!
    factors = mul(slice(factors, 1, 0, half), pad(rest, [0, 0, 0, 0], [0, missing, 0, 0], 1))
  }
  const [outer, , , inner] = factors.shape as [number, number, number, number]
  return reshape(factors, [outer, size, inner])
}

function checkUpdates(op: string, x: Tensor<DType>, updates: Tensor<DType>, shape: Shape): void {
  if (!sameShape(updates.shape, shape)) {
    throw new ShapeError(op, `updates must be ${formatShape(shape)}, not ${formatShape(updates.shape)}`)
  }
  if (updates.dtype !== x.dtype) {
    throw new DTypeError(op, `updates must be ${x.dtype} as what they are written to, not ${updates.dtype}`)
  }
}

function checkReduction(op: string, x: Tensor<DType>, reduction: string): void {
  if (!['none', 'add', 'mul', 'max', 'min'].includes(reduction)) {
    throw new BeyondgradError(
      'value',
      `${op}: reduction is "none", "add", "mul", "max" or "min", not "${reduction}"`,
    )
  }
  if (x.dtype === 'bool' && reduction !== 'none') {
    throw new DTypeError(op, `joins numbers, not bool; use cast()`)
  }
}

/** Truth values are written as numbers. */
function asNumbers(x: Tensor<DType>): Numeric {
  return (x.dtype === 'bool' ? cast(x, 'int32') : x) as Numeric
}

/**
 * x with updates written along an axis where their indices say, as ONNX ScatterElements.
 *
 * Cost: "add" is one pass; "none", "max" and "min" sort the updates of each row; "mul" compares every update with every
 * place of its row, which takes memory for all the pairs.
 *
 * @param indices of the rank of x, and nowhere larger but along `axis`; negative ones count from the end
 * @param updates of the shape of `indices` and the dtype of x
 * @throws DataError if an index is not on the axis: at once for constants, otherwise when it is evaluated
 */
export function scatterElements<D extends DType>(
  x: Tensor<D>,
  indices: Indices,
  updates: Tensor<NoInfer<D>>,
  axis: number,
  options: ScatterOptions = {},
): Tensor<D> {
  demandTensors('scatterElements', x, indices, updates)
  const { reduction = 'none' } = options
  const along = normalizeAxis('scatterElements', axis, x.shape.length)
  checkReduction('scatterElements', x, reduction)
  const { shape } = indices
  if (shape.length !== x.shape.length || shape.some((size, i) => i !== along && size > x.shape[i]!)) {
    throw new ShapeError(
      'scatterElements',
      `indices ${formatShape(shape)} do not lie within ${formatShape(x.shape)} on every axis but ${along}`,
    )
  }
  checkUpdates('scatterElements', x, updates, shape)
  const at = positions('scatterElements', indices, along, x.shape)
  if (sizeOf(shape) === 0) return x
  const within = shape.reduce((part, size, i) => (i === along ? part : slice(part, i, 0, size)), x)
  const rows = (t: Tensor<DType>): Numeric => reshape(asNumbers(t), aroundAxis(t.shape, along))
  const places = reshape(at, aroundAxis(shape, along))
  const written = reshape(joined(rows(within), places, rows(updates), reduction), within.shape)
  return outside(x, cast(written, x.dtype), along)
}

/** x, of which `part` replaces the first elements of every axis but one. */
function outside<D extends DType>(x: Tensor<D>, part: Tensor<D>, axis: number): Tensor<D> {
  let whole = part
  for (let i = 0; i < x.shape.length; i++) {
    if (i === axis || part.shape[i] === x.shape[i]) continue
    let beside = slice(x, i, part.shape[i]!)
    for (let j = i + 1; j < x.shape.length; j++) {
      if (j !== axis) beside = slice(beside, j, 0, part.shape[j])
    }
    whole = concat([whole, beside], i)
  }
  return whole
}

/**
 * x with slices replaced at coordinates, as ONNX ScatterND: x[...indices[...p]] joined with updates[...p].
 *
 * Cost as for `scatterElements`.
 *
 * @param indices [...places, m]: each names m axes of x; negative ones count from the end
 * @param updates [...places, ...the axes of x that are left], of the dtype of x
 * @throws DataError if an index is not on its axis: at once for constants, otherwise when it is evaluated
 */
export function scatterND<D extends DType>(
  x: Tensor<D>,
  indices: Indices,
  updates: Tensor<NoInfer<D>>,
  options: ScatterOptions = {},
): Tensor<D> {
  demandTensors('scatterND', x, indices, updates)
  const { reduction = 'none' } = options
  checkReduction('scatterND', x, reduction)
  const { at, depth } = joinedPositions('scatterND', indices, 0, x.shape)
  const rest = x.shape.slice(depth)
  checkUpdates('scatterND', x, updates, [...at.shape, ...rest])
  if (sizeOf(updates.shape) === 0) return x
  const [rows, count, inner] = [sizeOf(x.shape.slice(0, depth)), sizeOf(at.shape), sizeOf(rest)]
  const places = expand(reshape(at, [1, count, 1]), [1, count, inner])
  const whole = joined(
    reshape(asNumbers(x), [1, rows, inner]),
    places,
    reshape(asNumbers(updates), [1, count, inner]),
    reduction,
  )
  return cast(reshape(whole, x.shape), x.dtype)
}
