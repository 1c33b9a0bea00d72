/**
 * @file The largest eigenpairs of each group's Gram matrix by Lanczos iteration: a product is one pass backward and one forward, and
 * neither the matrix nor a column is ever formed.
 */
import { type CurvatureFactor, ggnFactor, type Parameter } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  capture,
  type Compiled,
  compile,
  lift,
  liveBytes,
  placeholder,
  reshape,
  type Tensor,
  unsqueeze,
  zeros,
} from '@beyondgrad/tensor'
import { type LargestPairs, largestPairs } from './eigen/block-lanczos.ts'
import type { CommonOptions } from './options.ts'
import { columnOptions } from './spectrum.ts'

/** Products of one group's Gram matrix. */
export interface GramProducts {
  readonly factor: CurvatureFactor
  /** V · N_h. */
  readonly rows: number
  /** K u for K' vectors u, as an expression: [K', V, N] → [K', V, N]. */
  readonly expression: (vectors: Tensor) => Tensor
  readonly largest: (
    pairs: number,
    tolerance: number,
    onStep: (products: number) => void,
  ) => Promise<LargestPairs>
}

/** Products with the Gram matrix of some parameters. */
export function gramProducts(
  loss: Tensor,
  parameters: readonly Parameter[],
  options: CommonOptions,
): GramProducts {
  const { curvatureSamples, engine, signal } = options
  const { samples: columns, seed } = columnOptions(options)
  const factor = ggnFactor(loss, {
    ...(options.samples && { samples: options.samples }),
    ...(options.regularizers && { regularizers: options.regularizers }),
    parameters,
    columns,
    seed,
  })
  const { columns: count, samples } = factor
  const chosen = curvatureSamples ?? Array.from({ length: samples }, (_, n) => n)
  const [each, rows] = [chosen.length, chosen.length * count]
  const expression = (vectors: Tensor): Tensor => {
    const [lead] = vectors.shape as [number]
    const productOf = (weights: Tensor): Tensor => factor.toColumns(factor.toParameters(weights))
    if (lead === 1) return unsqueeze(productOf(reshape(vectors, [count, samples])), [0])
    const one = placeholder([count, samples], 'float32', 'weights')
    const lifted = lift([productOf(one)], new Map<AnyTensor, AnyTensor>([[one, vectors]]), lead)
    return lifted.isBatched[0] ? (lifted.results[0] as Tensor) : zeros(vectors.shape)
  }
  const run: Compiled<readonly [Tensor], { product: Tensor }> = compile(
    (vectors: Tensor) => ({ product: expression(vectors) }),
    { engine },
  )
  // Chosen samples are rows of the whole batch's products; N / N_h makes them stand for all.
  const scale = samples / each
  let atOnce: number | undefined
  const products = async (vectors: readonly Float64Array[]): Promise<Float64Array[]> => {
    atOnce ??= vectorsAtOnce(expression, count, samples)
    const results: Float64Array[] = []
    for (let from = 0; from < vectors.length; from += atOnce)
      results.push(...(await productsTogether(vectors.slice(from, from + atOnce))))
    return results
  }
  const productsTogether = async (vectors: readonly Float64Array[]): Promise<Float64Array[]> => {
    const size = count * samples
    const whole = new Float64Array(vectors.length * size)
    vectors.forEach((vector, k) => {
      for (let v = 0; v < count; v++)
        chosen.forEach((n, h) => (whole[k * size + v * samples + n]! += vector[v * each + h]!))
    })
    const shape = [vectors.length, count, samples]
    // 'float32' is the engine's float: the reference engine keeps doubles.
    const data = whole as ArrayLike<number> as Float32Array
    const { product } = await run.with({ signal })({ shape, dtype: 'float32', data })
    return vectors.map((_, k) => {
      const image = new Float64Array(rows)
      for (let v = 0; v < count; v++)
        chosen.forEach((n, h) => (image[v * each + h] = scale * product.data[k * size + v * samples + n]!))
      return image
    })
  }
  return {
    factor,
    rows,
    expression,
    largest: async (pairs, tolerance, onStep) => {
      try {
        return await largestPairs(products, rows, pairs, { tolerance, seed, onStep })
      } finally {
        await run.dispose()
      }
    },
  }
}

/** Bytes that the intermediates of several products together may take. */
const togetherBytes = 2 ** 27

/** How many vectors are multiplied together: small graphs cost more to start than to run, large ones more to hold. */
function vectorsAtOnce(expression: GramProducts['expression'], columns: number, samples: number): number {
  const one = placeholder([1, columns, samples], 'float32', 'weights')
  const bytes = liveBytes(capture(() => [expression(one)], 'spectrum').graph)
  return Math.max(1, Math.floor(togetherBytes / Math.max(1, bytes)))
}
