import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  evaluate,
  referenceEngine,
  reshape,
  resize,
  type ResizeOptions,
  tensor,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

interface Case {
  readonly name: string
  readonly sizes: readonly number[]
  readonly options: ResizeOptions
  readonly values: readonly number[]
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/resize.json', import.meta.url), 'utf8'),
) as { readonly cases: readonly Case[] }

const engine = referenceEngine()
const x = reshape(tensor(Array.from({ length: 20 }, (_, i) => Math.sin(i * 1.3 + 0.2))), [1, 1, 4, 5])

describe('resize', () => {
  it.each(cases)('$name to $sizes is what PyTorch computes', async ({ sizes, options, values }) => {
    const [found] = await evaluate([resize(x, sizes, options)], { engine })
    expect(found.shape).toEqual([1, 1, ...sizes])
    values.forEach((value, i) => expect(found.data[i]).toBeCloseTo(value, 6))
  })

  it('of any axes, and not at all', async () => {
    await expectValues(resize(tensor([[1, 2]]), [2, 4]), [
      [1, 1, 2, 2],
      [1, 1, 2, 2],
    ])
    await expectValues(
      resize(tensor([[1], [3]]), [3], { axes: [0], mode: 'linear', coordinates: 'align-corners' }),
      [[1], [2], [3]],
    )
    const same = tensor([[1, 2]])
    expect(resize(same, [1, 2])).toBe(same)
    // Upsampling to a multiple repeats, and needs no index.
    expect(resize(tensor([1, 2]), [6]).op.name).toBe('reshape')
  })

  it('says what does not fit', () => {
    expect(() => resize(zeros([2, 0]), [4])).toThrow(/axis 1 of \[2, 0\] can't be resized to 4/)
    expect(() => resize(zeros([2]), [0])).toThrow(/can't be resized to 0/)
    expect(() => resize(zeros([2]), [2, 2])).toThrow(/2 sizes for 2 axes of \[2\]/)
    expect(() => resize(zeros([2]), [3], { coordinates: 'corner' as never })).toThrow(
      /half-pixel, align-corners/,
    )
    expect(() => resize(zeros([2]), [3], { rounding: 'up' as never })).toThrow(/round-down or round-up/)
  })
})
