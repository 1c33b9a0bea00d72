/** @file Uses of a parameter by some of the samples: factors know their samples, so that taking some of them is taking rows. */
import {
  after,
  type AnyTensor,
  BeyondgradError,
  constant,
  type DType,
  gatherAt,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import type { DirectFactors, Factors, OuterFactors, PlacedFactors, Use } from './use.ts'

/** Takes some of the samples along an axis that counts them. */
export interface SamplePick {
  readonly count: number
  /** Set for samples that follow each other: from the first up to the last + 1, and what to wait for. */
  readonly range?: readonly [from: number, to: number, tokens: readonly AnyTensor[]]
  take<D extends DType>(x: Tensor<D>, axis: number): Tensor<D>
}

/** Samples by their indices, in this order, any of them more than once. Throws `value` where there is none of that index. */
export function pickIndices(indices: readonly number[], samples: number): SamplePick {
  const wrong = indices.find((n) => !Number.isInteger(n) || n < 0 || n >= samples)
  if (wrong !== undefined || indices.length === 0) {
    throw new BeyondgradError(
      'value',
      wrong === undefined
        ? 'ofSamples: takes the indices of at least one sample'
        : `ofSamples: there is no sample ${wrong} in a batch of ${samples}; they are counted from 0 to ${samples - 1}`,
    )
  }
  const which = constant([...indices], 'int32')
  return { count: indices.length, take: (x, axis) => gatherAt(x, which, axis) }
}

/** The samples `from` up to `to`, taken when the tokens have been computed. */
export function pickRange(from: number, to: number, tokens: readonly AnyTensor[] = []): SamplePick {
  return {
    count: to - from,
    range: [from, to, tokens],
    take: <D extends DType>(x: Tensor<D>, axis: number): Tensor<D> =>
      tokens.reduce<Tensor<D>>((taken, token) => after(token, taken), slice(x, axis, from, to)),
  }
}

/**
 * The same use by some of the samples.
 *
 * @param columns whether the factors have an axis of columns in front
 */
export function useOfSamples(use: Use, pick: SamplePick, columns: boolean): Use {
  const { kronecker, ...rest } = use
  const other = kronecker && {
    kronecker: (): PlacedFactors<OuterFactors> => {
      const { factors, place } = kronecker()
      return { factors: factorsOfSamples(factors, pick, columns), place }
    },
  }
  return { ...rest, ...other, factors: factorsOfSamples(use.factors, pick, columns) }
}

function factorsOfSamples<F extends Factors>(factors: F, pick: SamplePick, columns: boolean): F
function factorsOfSamples(factors: Factors, pick: SamplePick, columns: boolean): Factors {
  const axis = columns ? 1 : 0
  switch (factors.kind) {
    case 'outer':
      return {
        ...factors,
        cotangent: pick.take(factors.cotangent, axis),
        input: pick.take(factors.input, 0),
      }
    case 'indexed':
      return {
        ...factors,
        cotangent: pick.take(factors.cotangent, axis),
        indices: pick.take(factors.indices, 0),
      }
    case 'direct':
      return { kind: 'direct', perSample: directRows(factors, pick, axis) }
  }
}

function directRows(factors: DirectFactors, pick: SamplePick, axis: number): Tensor {
  if (pick.range === undefined || factors.rows === undefined) return pick.take(factors.perSample, axis)
  return factors.rows(...pick.range)
}
