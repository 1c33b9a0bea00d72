/** @file Pools against the reference engine. */
import {
  avgPool,
  avgPoolVjp,
  cast,
  maxPool,
  maxPoolJvp,
  maxPoolVjp,
  type Tensor,
  type Window,
  windowPositions,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { expectAgreement, numbers, seeds } from './against-reference.ts'
import { geometries } from './window-geometry.ts'

const many = { numRuns: 150 }
const count = fc.integer({ min: 1, max: 3 })
const columns: fc.Arbitrary<number[]> = fc.constantFrom([], [1], [2], [3], [4], [2, 3])
const double = (x: Tensor): Tensor => cast(x, 'float64') as unknown as Tensor

const options = ({ stride, before, after, dilation }: Window) => ({
  stride,
  dilation,
  padding: before.map((b, i) => [b, after[i]!] as const),
})

describe('pools', () => {
  it('max pool, and what it selects: the first of equal maxima', () =>
    fc.assert(
      fc.asyncProperty(
        geometries({ pool: true }),
        fc.record({ n: count, c: count, lead: columns, whole: fc.boolean() }),
        seeds,
        async ({ spatial, window }, { n, c, lead, whole }, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([n, c, ...spatial], seed, whole)
          const g = numbers([...lead, n, c, ...positions], seed + 1)
          const t = numbers([...lead, n, c, ...spatial], seed + 2)
          await expectAgreement([
            maxPool(x, window.kernel, options(window)),
            maxPoolVjp(x, g, window),
            maxPoolJvp(x, t, window),
          ])
          await expectAgreement([maxPoolVjp(x, g, window)])
        },
      ),
      many,
    ))

  it('several vjps of one pool', () =>
    fc.assert(
      fc.asyncProperty(
        geometries({ pool: true }),
        columns,
        seeds,
        async ({ spatial, window }, lead, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([2, 2, ...spatial], seed, true)
          const cotangents = [1, 2, 3].map((i) => numbers([...lead, 2, 2, ...positions], seed + i))
          await expectAgreement([
            maxPool(x, window.kernel, options(window)),
            ...cotangents.map((g) => maxPoolVjp(x, g, window)),
          ])
        },
      ),
      { numRuns: 40 },
    ))

  it('average pool and its transpose', () =>
    fc.assert(
      fc.asyncProperty(
        geometries({ pool: true }),
        fc.record({ n: count, c: count, countPadding: fc.boolean() }),
        seeds,
        async ({ spatial, window }, { n, c, countPadding }, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([n, c, ...spatial], seed)
          const g = numbers([n, c, ...positions], seed + 1)
          const attributes = { ...window, countPadding }
          await expectAgreement([
            avgPool(x, window.kernel, { ...options(window), countPadding }),
            avgPoolVjp(g, attributes, spatial),
            avgPool(double(x), window.kernel, { ...options(window), countPadding }),
            avgPoolVjp(double(g), attributes, spatial),
          ])
        },
      ),
      many,
    ))

  it('no samples', () => {
    const window = { kernel: [2], stride: [2], before: [0], after: [0], dilation: [1] }
    const x = numbers([0, 2, 6], 1)
    return expectAgreement([
      maxPool(x, [2]),
      maxPoolVjp(x, numbers([3, 0, 2, 3], 2), window),
      maxPoolJvp(x, numbers([3, 0, 2, 6], 2), window),
      avgPool(x, [2]),
      avgPoolVjp(numbers([0, 2, 3], 2), { ...window, countPadding: true }, [6]),
    ])
  })
})
