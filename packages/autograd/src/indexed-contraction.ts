/**
 * @file Contractions where a sample's derivative is a few rows of a table: P[n, r] = Σ cotangent[n, l] over the positions l
 * whose index is r. The indices stay indices; a one-hot matrix of them never exists.
 *
 * Shapes: cotangent [V?, N, L, E], indices [N, L], results [rows, E].
 */
import {
  add,
  cast,
  equal,
  expand,
  gatherAt,
  iota,
  matmul,
  mul,
  reshape,
  scatterAddAt,
  square,
  sub,
  sum,
  type Tensor,
  transposeLast,
  tril,
} from '@beyondgrad/tensor'
import { weighted } from './contraction.ts'
import type { IndexedFactors } from './use.ts'

interface Sizes {
  readonly samples: number
  readonly positions: number
  readonly width: number
}

function sizesOf({ cotangent, indices }: IndexedFactors): Sizes {
  const [samples, positions] = indices.shape as [number, number]
  return { samples, positions, width: cotangent.shape.at(-1)! }
}

/** Every sample's own derivative: [V?, N, rows, E]. */
export function perSample(factors: IndexedFactors): Tensor {
  const { cotangent, indices, rows } = factors
  const { samples, positions, width } = sizesOf(factors)
  // Each sample has a table of its own, and all of them are one.
  const starts = reshape(mul<'int32'>(iota(samples), rows), [samples, 1])
  const at = reshape(add<'int32'>(indices, starts), [samples * positions])
  const columns = cotangent.shape.slice(0, -3)
  const updates = reshape(cotangent, [...columns, samples * positions, width])
  const tables = scatterAddAt(updates, at, columns.length, samples * rows)
  return reshape(tables, [...columns, samples, rows, width])
}

/** Σ over samples and positions of rows [N, L, E]: [rows, E]. */
export function total(values: Tensor, factors: IndexedFactors): Tensor {
  const { samples, positions, width } = sizesOf(factors)
  const at = reshape(factors.indices, [samples * positions])
  return scatterAddAt(reshape(values, [samples * positions, width]), at, 0, factors.rows)
}

/** 1 where two positions of a sample have the same index, [N, L, L]; and 1 where an index occurs first, [N, L, 1]. */
function repetitions(factors: IndexedFactors): { readonly same: Tensor; readonly first: Tensor } {
  const { indices } = factors
  const { samples, positions } = sizesOf(factors)
  const rows = reshape(indices, [samples, positions, 1])
  const same = cast(equal<'int32'>(rows, reshape(indices, [samples, 1, positions])), 'float32')
  const before = sum(tril(same, -1), [-1], { keep: true })
  return { same, first: cast(equal(before, 0), 'float32') }
}

/** P at every position whose index occurs there first, and 0 elsewhere: what may be squared. [V?, N, L, E] */
function distinct(factors: IndexedFactors): { readonly values: Tensor; readonly first: Tensor } {
  const { same, first } = repetitions(factors)
  return { values: mul(matmul(same, factors.cotangent), first), first }
}

/** ‖P[n]‖²: [N]. No columns. */
export function squaredNorm(factors: IndexedFactors): Tensor {
  return sum(square(distinct(factors).values), [1, 2])
}

/** ‖P‖² of every column and sample: [V, N]. With columns. */
export function columnNorms(factors: IndexedFactors): Tensor {
  return sum(square(distinct(factors).values), [2, 3])
}

/** Σ over columns and samples of w P²: [rows, E]. The weight, if any, is [V, N]. */
export function sumOfSquares(factors: IndexedFactors, weight?: Tensor): Tensor {
  const squares = square(distinct(factors).values)
  const own = squares.shape.length === 4 ? sum(weighted(squares, weight), [0]) : squares
  return total(own, factors)
}

/** Σₙ (P[n] − mean)²: [rows, E]. Samples that lack a row are as far from the mean as it is large. No columns. */
export function centredSumOfSquares(factors: IndexedFactors): Tensor {
  const { samples } = sizesOf(factors)
  const mean = mul(total(factors.cotangent, factors), 1 / samples)
  const { values, first } = distinct(factors)
  const there = square(sub(values, gatherAt(mean, factors.indices, 0)))
  const present = total(expand(first, values.shape), factors)
  return total(mul(there, first), factors).add(mul(square(mean), sub(samples, present)))
}

/** ⟨P[m], P[n]⟩: [N, N]. No columns. */
export function gram(factors: IndexedFactors): Tensor {
  const { cotangent, indices, rows } = factors
  const { samples, positions, width } = sizesOf(factors)
  const long = samples * positions
  if (rows * width <= positions * long) {
    const tables = reshape(perSample(factors), [samples, rows * width])
    return matmul(tables, transposeLast(tables))
  }
  const flat = reshape(cotangent, [long, width])
  const same = equal<'int32'>(reshape(indices, [long, 1]), reshape(indices, [1, long]))
  const products = mul(matmul(flat, transposeLast(flat)), cast(same, 'float32'))
  return sum(reshape(products, [samples, positions, samples, positions]), [1, 3])
}

/** ⟨P[n], vector⟩, vector [rows, E]: [N]. No columns. */
export function dot(factors: IndexedFactors, vector: Tensor): Tensor {
  return sum(mul(factors.cotangent, gatherAt(vector, factors.indices, 0)), [1, 2])
}
