/** @file Embeddings: rows of a table by index, never by one-hot vectors. */
import { defineOp, type Module, parameter } from '@beyondgrad/autograd'
import { BeyondgradError, DTypeError, equal, gather, type Tensor, unsqueeze, where } from '@beyondgrad/tensor'
import { type Initializer, nextSeed, standardNormal } from '../initialization.ts'
import { moduleOf } from '../module.ts'
import { demandPositive } from './sizes.ts'

export interface EmbeddingOptions {
  /** This row starts as zeros and gets no gradient; negative numbers count from the end. */
  readonly paddingIdx?: number
  /** How the table starts. Default: `standardNormal`. */
  readonly weight?: Initializer
  /** Determines the initial numbers. Default: counts up with every layer. */
  readonly seed?: number
}

/** x as a number that nothing depends on: its derivative is 0. */
const withoutDerivative = /* @__PURE__ */ defineOp({
  name: 'beyondgrad:withoutDerivative',
  expand: ([x]) => x!,
  rule: {
    curvature: 'none',
    selects: true,
    vjp: () => [undefined],
    labels: { forward: (_node, [label]) => label!, backward: (_node, label) => label },
  },
})

/** [N, ...] of indices (int32 or int64) → [N, ..., dimensions]. Parameter: weight [count, dimensions]. */
export function Embedding(
  count: number,
  dimensions: number,
  options: EmbeddingOptions = {},
): Module<[Tensor<'int32'> | Tensor<'int64'>]> {
  demandPositive('Embedding', { count, dimensions })
  const { paddingIdx, seed = nextSeed(), weight: initializer = standardNormal } = options
  const initial = initializer([count, dimensions], { in: count, out: dimensions }, { seed, stream: 'weight' })
  const nothing = paddingIdx === undefined ? undefined : rowOf(paddingIdx, count)
  if (nothing !== undefined) initial.data.fill(0, nothing * dimensions, (nothing + 1) * dimensions)
  const weight = parameter('weight', initial)
  const forward = (indices: Tensor<'int32'> | Tensor<'int64'>): Tensor => {
    if (!['int32', 'int64'].includes(indices.dtype)) {
      throw new DTypeError(
        'Embedding',
        `expects int32 or int64 indices [N, ...], not ${String(indices.dtype)}; use intTensor()`,
      )
    }
    const rows = gather(weight.value, indices, 0)
    if (nothing === undefined) return rows
    const padding = unsqueeze(equal(indices as Tensor<'int32'>, nothing), [-1])
    return where(padding, withoutDerivative([rows]), rows)
  }
  return moduleOf(forward, [weight])
}

function rowOf(paddingIdx: number, count: number): number {
  if (Number.isInteger(paddingIdx) && paddingIdx >= -count && paddingIdx < count) {
    return paddingIdx < 0 ? paddingIdx + count : paddingIdx
  }
  throw new BeyondgradError(
    'value',
    `Embedding: paddingIdx must be an integer from ${-count} to ${count - 1}, not ${paddingIdx}`,
  )
}
