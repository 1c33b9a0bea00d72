/** @file Weighted sums of columns: what takes directions of a Gram matrix back to the parameters. */
import {
  concat,
  matmul,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'
import { perSample } from './contraction.ts'
import * as indexed from './indexed-contraction.ts'
import type { Factors, OuterFactors } from './use.ts'

/** Σ over columns and samples of weights · P, for each of K weights [K, V, N]: [K, layout of the factors]. */
export function weightedTotals(factors: Factors, weights: Tensor): Tensor {
  switch (factors.kind) {
    case 'direct':
      return ofRows(factors.perSample, weights)
    case 'outer':
      return ofProducts(factors, weights)
    case 'indexed': {
      const [count, , samples] = weights.shape as [number, number, number]
      const values = bySample(factors.cotangent, weights)
      return concat(
        Array.from({ length: count }, (_, k) => {
          const own = reshape(slice(values, 1, k, k + 1), [samples, ...factors.cotangent.shape.slice(2)])
          return unsqueeze(indexed.total(own, factors), [0])
        }),
        0,
      )
    }
  }
}

/** One product for all: [K, V·N] · [V·N, everything else]. */
function ofRows(columns: Tensor, weights: Tensor): Tensor {
  const [v, n, ...own] = columns.shape as [number, number, ...number[]]
  const [count] = weights.shape as [number]
  const total = matmul(reshape(weights, [count, v * n]), reshape(columns, [v * n, sizeOf(own)]))
  return reshape(total, [count, ...own])
}

/** Σ over columns alone, sample by sample: [N, K, everything else]. */
function bySample(columns: Tensor, weights: Tensor): Tensor {
  const [v, n, ...own] = columns.shape as [number, number, ...number[]]
  const left = transpose(weights, [2, 0, 1])
  const right = transpose(reshape(columns, [v, n, sizeOf(own)]), [1, 0, 2])
  return matmul(left, right)
}

function ofProducts({ cotangent, input }: OuterFactors, weights: Tensor): Tensor {
  const [, samples, groups, out, positions] = cotangent.shape as [number, number, number, number, number]
  const inner = input.shape[2]!
  const [count] = weights.shape as [number]
  // Products that are smaller than what they are made of are made first, and added up once for all K.
  if (inner <= positions) return ofRows(perSample(cotangent, input), weights)
  const sums = reshape(bySample(cotangent, weights), [samples, count, groups, out, positions])
  const left = reshape(transpose(sums, [2, 1, 3, 0, 4]), [groups, count * out, samples * positions])
  const right = reshape(transpose(input, [1, 2, 0, 3]), [groups, inner, samples * positions])
  const total = reshape(matmul(left, transposeLast(right)), [groups, count, out, inner])
  return transpose(total, [1, 0, 2, 3])
}
