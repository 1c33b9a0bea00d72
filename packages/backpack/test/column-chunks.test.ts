/** @file The factors of columns, as authors of contractions of their own see them, against dense blocks. */
import {
  type ColumnChunk,
  contraction,
  defineExtension,
  ggnFlow,
  indexedContraction,
} from '@beyondgrad/autograd'
import { matmul, mul, ones, reshape, sizeOf, sum, type Tensor, transpose } from '@beyondgrad/tensor'
import { checkResult } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { data } from './network.ts'
import { networks } from './networks.ts'

/** Every column of every sample in the layout of the factors: [V, N, ...layout]. */
function products({ factors }: ColumnChunk): Tensor {
  switch (factors.kind) {
    case 'outer':
      return contraction.perSample(factors.cotangent, factors.input)
    case 'indexed':
      return indexedContraction.perSample(factors)
    case 'direct':
      return factors.perSample
  }
}

/** Σ w P Pᵀ in the parameter's entries, [size, size]. */
function blockOf(chunk: ColumnChunk, size: number): Tensor {
  const columns = products(chunk)
  const [count, samples] = columns.shape as [number, number]
  const weights = mul(ones([count, samples]), chunk.weight)
  const rows = reshape(chunk.place(columns, 2), [count * samples, size])
  return matmul(transpose(mul(rows, reshape(weights, [-1, 1]))), rows)
}

describe.each(['chunks', 'kroneckerChunks'] as const)('%s', (which) => {
  it.each(networks.map((network) => [network.name, network] as const))('%s', async (_name, { problem }) => {
    const kinds = new Set<string>()
    const extension = defineExtension({
      name: which,
      flow: ggnFlow(),
      parameter: ({ contribution, parameter }) => {
        const size = sizeOf(parameter.shape)
        const chunks = contribution[which]()
        return chunks.map((chunk) => {
          kinds.add(chunk.factors.kind)
          const layout = products(chunk).shape.slice(2)
          const [u, v] = [data('u', layout), data('v', parameter.shape)]
          return {
            block: blockOf(chunk, size),
            placed: sum(mul(chunk.place(u, 0), v)),
            laid: sum(mul(chunk.lay(v), u)),
          }
        })
      },
    })
    await checkResult(extension, {
      ...problem(3),
      compare: async (result, at, demand) => {
        for (const parameter of at.parameters) {
          const found = result.get(parameter)
          const expected = await at.ggn(parameter)
          const total = Float64Array.from(expected.data, (_, i) =>
            found.reduce((a, { block }) => a + block.data[i]!, 0),
          )
          const shape = [expected.rows, expected.columns]
          demand(`of ${parameter.name}`, { shape, dtype: 'float32', data: total as never }, expected.data)
          for (const { placed, laid } of found) demand(`lay of ${parameter.name}`, laid, [placed.data[0]!])
        }
      },
    })
    expect(kinds.size).toBeGreaterThan(0)
  })
})
