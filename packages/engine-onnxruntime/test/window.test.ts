/** @file Convolutions, unfolding and folding against the reference engine. */
import {
  cast,
  conv,
  convInput,
  convWeight,
  convWith,
  fold,
  sizeOf,
  type Tensor,
  unfold,
  windowPositions,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { expectAgreement, numbers, seeds } from './against-reference.ts'
import { geometries } from './window-geometry.ts'

const few = { numRuns: 120 }
const count = fc.integer({ min: 1, max: 3 })
/** From 16 samples on they may be last in memory. */
const samples = fc.oneof(count, fc.constantFrom(16, 17))
const double = (x: Tensor): Tensor => cast(x, 'float64') as unknown as Tensor

describe('windows', () => {
  it('unfold and fold', () =>
    fc.assert(
      fc.asyncProperty(geometries(), samples, count, seeds, async ({ spatial, window }, n, c, seed) => {
        const x = numbers([n, c, ...spatial], seed)
        const places = sizeOf(windowPositions('test', spatial, window))
        const y = numbers([n, c * sizeOf(window.kernel), places], seed + 1)
        await expectAgreement([
          unfold(x, window),
          fold(y, window, spatial),
          unfold(double(x), window),
          fold(double(y), window, spatial),
        ])
      }),
      few,
    ))

  it('convolution and its partners', () =>
    fc.assert(
      fc.asyncProperty(
        geometries(),
        fc.record({ n: samples, groups: count, inner: count, outer: count }),
        seeds,
        async ({ spatial, window }, { n, groups, inner, outer }, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([n, groups * inner, ...spatial], seed)
          const w = numbers([groups * outer, inner, ...window.kernel], seed + 1)
          const g = numbers([n, groups * outer, ...positions], seed + 2)
          const geometry = { ...window, groups }
          // Thousands of products are summed.
          const loose = { absolute: 1e-3 }
          await expectAgreement(
            [
              convWith(x, w, geometry),
              convInput(g, w, geometry, spatial),
              convWeight(x, g, geometry),
              unfold(x, window),
            ],
            loose,
          )
          await expectAgreement([
            convWith(double(x), double(w), geometry),
            convInput(double(g), double(w), geometry, spatial),
            convWeight(double(x), double(g), geometry),
          ])
        },
      ),
      few,
    ))

  it('a convolution with a bias', () =>
    expectAgreement([
      conv(numbers([2, 3, 5, 5], 1), numbers([4, 3, 3, 3], 2), { padding: 1 }).add(numbers([1, 4, 1, 1], 3)),
    ]))

  it('no samples, no channels', async () => {
    const geometry = { ...window3, groups: 1 }
    await expectAgreement([
      conv(numbers([0, 2, 5], 1), numbers([3, 2, 3], 2)),
      conv(numbers([2, 0, 5], 1), numbers([3, 0, 3], 2)),
      convWeight(numbers([0, 2, 5], 1), numbers([0, 3, 3], 2), geometry),
      convInput(numbers([0, 3, 3], 1), numbers([3, 2, 3], 2), geometry, [5]),
      convInput(numbers([2, 0, 3], 1), numbers([0, 2, 3], 2), geometry, [5]),
      unfold(numbers([0, 2, 5], 1), window3),
      fold(numbers([0, 6, 3], 1), window3, [5]),
    ])
  })
})

const window3 = { kernel: [3], stride: [1], before: [0], after: [0], dilation: [1] }
