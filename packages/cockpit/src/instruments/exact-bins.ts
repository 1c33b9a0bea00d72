/** @file Bins of all entries, counted by the engine a few samples at a time: exact, and about as dear as some tens of gradients. */
import type { Contribution } from '@beyondgrad/autograd'
import {
  abs,
  add,
  cast,
  concat,
  div,
  expand,
  greater,
  isFinite,
  less,
  logicalAnd,
  max,
  maximum,
  minimum,
  mul,
  reshape,
  scatterAddAt,
  sizeOf,
  sub,
  type Tensor,
  where,
} from '@beyondgrad/tensor'

/** Bins whose ends are tensors: a scalar each. */
export interface TensorBins {
  readonly count: number
  readonly low: Tensor
  readonly high: Tensor
}

/** The bin of every finite number, below count; the end bins hold what is beyond. */
function binsOf(x: Tensor, { count, low, high }: TensorBins): Tensor<'int32'> {
  const place = mul(div(sub(x, low), sub(high, low)), count)
  // Cut off while it is a float: what is far beyond the range is no integer.
  return cast(minimum(maximum(place, 0), count - 1), 'int32')
}

/** Largest absolute value of the unscaled gradients of all samples, of entries that are finite. */
export function largestEntry(of: Contribution): Tensor {
  return of.reduce((chunk) => max(finiteSize(mul(chunk, of.samples))), 'max')
}

/** Absolute values; 0 for what is not finite. */
export const finiteSize = (x: Tensor): Tensor => abs(where(isFinite(x), x, 0))

const countOf = (mask: Tensor<'bool'>): Tensor => reshape(cast(mask, 'float32').sum(), [1])

/** Counts by bins, then of numbers below, above, and not finite: [count + 3]. */
export function exactCounts(of: Contribution, bins: TensorBins): Tensor {
  return of.reduce((chunk) => {
    const x = reshape(mul(chunk, of.samples), [sizeOf(chunk.shape)])
    const finite = isFinite(x)
    const safe = where(finite, x, bins.low)
    const counts = scatterAddAt(cast(finite, 'float32'), binsOf(safe, bins), 0, bins.count)
    const lost = sub(sizeOf(chunk.shape), countOf(finite))
    return concat([counts, countOf(less(safe, bins.low)), countOf(greater(safe, bins.high)), lost], 0)
  }, 'sum')
}

/** Counts of pairs of a gradient's entry and the parameter's, rows first, then of pairs that are not finite: [rows · columns + 1]. */
export function exactPairs(
  of: Contribution,
  parameter: Tensor,
  bins: readonly [TensorBins, TensorBins],
): Tensor {
  const [rows, columns] = bins
  const size = sizeOf(parameter.shape)
  const own = reshape(parameter, [1, size])
  const column = binsOf(where(isFinite(own), own, columns.low), columns)
  return of.reduce((chunk) => {
    const samples = chunk.shape[0]!
    const x = reshape(mul(chunk, of.samples), [samples, size])
    const finite = logicalAnd(isFinite(x), expand(isFinite(own), [samples, size]))
    const row = binsOf(where(finite, x, rows.low), rows)
    const cell = reshape(add(mul(row, columns.count), column), [samples * size])
    const kept = reshape(cast(finite, 'float32'), [samples * size])
    const counts = scatterAddAt(kept, cell, 0, rows.count * columns.count)
    return concat([counts, sub(samples * size, countOf(finite))], 0)
  }, 'sum')
}
