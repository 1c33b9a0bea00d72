/**
 * @file Sorting. There is one primitive, the positions of the largest or smallest elements; values are gathered there,
 * so that derivatives find their way. NaN counts as the largest, and of equals the first comes first.
 */
import { allocate, type DType } from '../dtype.ts'
import { ShapeError } from '../errors.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { formatShape, normalizeAxis, sizeOf } from '../shape.ts'
import { aroundAxis, gatherElementsAt } from './gather.ts'

/** Ascending, NaN last. */
function order(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return 0
  return Number(a !== a) - Number(b !== b)
}

const topIndicesOp: Op = {
  name: 'topIndices',
  family: 'sort',
  infer: ([x], attributes) => ({
    shape: (x!.shape as number[]).with(attributes.axis as number, attributes.k as number),
    dtype: 'int32',
  }),
  kernel: ([x], attributes, output) => {
    const { axis, k, largest } = attributes as { axis: number; k: number; largest: boolean }
    const [outer, size, inner] = aroundAxis(x!.shape, axis)
    const target = allocate('int32', sizeOf(output.shape)) as Int32Array
    const sign = largest ? -1 : 1
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = (position: number): number | bigint => x!.data[(o * size + position) * inner + i]!
        // Sorting is stable.
        const sorted = Array.from({ length: size }, (_, p) => p).sort((p, q) => sign * order(at(p), at(q)))
        for (let j = 0; j < k; j++) target[(o * k + j) * inner + i] = sorted[j]!
      }
    }
    return target
  },
}

export interface TopOptions {
  /** The largest elements, the largest first; otherwise the smallest, the smallest first. Default: true. */
  readonly largest?: boolean
}

/**
 * Positions along an axis of its k largest or smallest elements, in their order.
 *
 * @param x numbers or truth values; NaN counts as the largest, and of equals the first comes first
 * @param k at most the size of the axis
 * @param axis default: the last
 */
export function topIndices<D extends DType>(
  x: Tensor<D>,
  k: number,
  axis = -1,
  options: TopOptions = {},
): Tensor<'int32'> {
  demandTensors('topIndices', x)
  const along = normalizeAxis('topIndices', axis, x.shape.length)
  if (!Number.isInteger(k) || k < 0 || k > x.shape[along]!) {
    throw new ShapeError(
      'topIndices',
      `there are no ${k} elements on axis ${along} of ${formatShape(x.shape)}, which has ${x.shape[along]}`,
    )
  }
  return build(topIndicesOp, [x], { axis: along, k, largest: options.largest ?? true })
}

export interface Top<D extends DType> {
  readonly values: Tensor<D>
  /** Where along the axis each value comes from. */
  readonly indices: Tensor<'int32'>
}

/** The k largest or smallest elements along an axis (default: the last) in their order, and where they are. */
export function topK<D extends DType>(x: Tensor<D>, k: number, axis = -1, options: TopOptions = {}): Top<D> {
  const indices = topIndices(x, k, axis, options)
  return { values: gatherElementsAt(x, indices, axis), indices }
}

export interface SortOptions {
  /** Default: false, the smallest first. */
  readonly descending?: boolean
}

/** Elements along an axis (default: the last) in ascending order, NaN last. */
export function sort<D extends DType>(x: Tensor<D>, axis = -1, options: SortOptions = {}): Tensor<D> {
  return gatherElementsAt(x, argsort(x, axis, options), axis)
}

/** Positions that sort an axis (default: the last); equals stay in their order, also when the largest come first. */
export function argsort<D extends DType>(
  x: Tensor<D>,
  axis = -1,
  options: SortOptions = {},
): Tensor<'int32'> {
  demandTensors('argsort', x)
  const along = normalizeAxis('argsort', axis, x.shape.length)
  return topIndices(x, x.shape[along]!, along, { largest: options.descending ?? false })
}
