/** @file Convolutions, windows and pools over one to three axes, with stride, dilation, uneven padding and groups. */
import {
  avgPool,
  avgPoolVjp,
  convInput,
  convWeight,
  convWith,
  fold,
  maxPool,
  maxPoolJvp,
  maxPoolVjp,
  type Shape,
  sizeOf,
  unfold,
  type Window,
  windowPositions,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { expectAgreement, numbers, seeds } from './against-reference.ts'
import { backends } from './backends.ts'

interface Geometry {
  readonly spatial: Shape
  readonly window: Window
}

/** @param pool the padding is smaller than the window's reach */
function geometries(pool: boolean): fc.Arbitrary<Geometry> {
  const axis = fc
    .record({
      kernel: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.constantFrom(1, 1, 2, 3),
      before: fc.nat(3),
      after: fc.nat(3),
      extra: fc.nat(5),
    })
    .map(({ kernel, stride, dilation, before, after, extra }) => {
      const reach = dilation * (kernel - 1) + 1
      const most = pool ? reach - 1 : 3
      const [b, a] = [Math.min(before, most), Math.min(after, most)]
      return { kernel, stride, dilation, before: b, after: a, size: Math.max(1, reach - b - a) + extra }
    })
  return fc.array(axis, { minLength: 1, maxLength: 3 }).map((axes) => ({
    spatial: axes.map(({ size }) => size),
    window: {
      kernel: axes.map(({ kernel }) => kernel),
      stride: axes.map(({ stride }) => stride),
      before: axes.map(({ before }) => before),
      after: axes.map(({ after }) => after),
      dilation: axes.map(({ dilation }) => dilation),
    },
  }))
}

const count = fc.integer({ min: 1, max: 3 })

const options = ({ stride, before, after, dilation }: Window) => ({
  stride,
  dilation,
  padding: before.map((b, i) => [b, after[i]!] as const),
})

describe.each(backends)('windows on $name', ({ engine, cases }) => {
  it('convolution, its partners, unfold and fold', () =>
    fc.assert(
      fc.asyncProperty(
        geometries(false),
        fc.record({ n: count, groups: count, inner: count, outer: count }),
        seeds,
        async ({ spatial, window }, { n, groups, inner, outer }, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([n, groups * inner, ...spatial], seed)
          const w = numbers([groups * outer, inner, ...window.kernel], seed + 1)
          const g = numbers([n, groups * outer, ...positions], seed + 2)
          const y = numbers([n, groups * sizeOf(window.kernel), sizeOf(positions)], seed + 3)
          const geometry = { ...window, groups }
          await expectAgreement(
            engine,
            [
              convWith(x, w, geometry),
              convInput(g, w, geometry, spatial),
              convWeight(x, g, geometry),
              unfold(x, window),
              fold(y, window, spatial),
            ],
            1e-3,
          )
        },
      ),
      { numRuns: cases(80) },
    ))

  it('a position that sees nothing but padding', () => {
    const window = { kernel: [1], stride: [3], before: [2], after: [0], dilation: [1] }
    const geometry = { ...window, groups: 1 }
    const [x, g] = [numbers([1, 1, 1], 1), numbers([1, 1, 1], 2)]
    return expectAgreement(engine, [
      convWeight(x, g, geometry),
      convWith(x, g, geometry),
      convInput(g, g, geometry, [1]),
      unfold(x, window),
      fold(g, window, [1]),
    ])
  })

  it('pools; the first of equal maxima counts', () =>
    fc.assert(
      fc.asyncProperty(
        geometries(true),
        fc.record({ n: count, c: count, lead: fc.constantFrom<number[]>([], [1], [2], [2, 3]) }),
        fc.boolean(),
        seeds,
        async ({ spatial, window }, { n, c, lead }, countPadding, seed) => {
          const positions = windowPositions('test', spatial, window)
          const x = numbers([n, c, ...spatial], seed, true)
          await expectAgreement(engine, [
            maxPool(x, window.kernel, options(window)),
            maxPoolVjp(x, numbers([...lead, n, c, ...positions], seed + 1), window),
            maxPoolJvp(x, numbers([...lead, n, c, ...spatial], seed + 2), window),
            avgPool(x, window.kernel, { ...options(window), countPadding }),
            avgPoolVjp(numbers([n, c, ...positions], seed + 3), { ...window, countPadding }, spatial),
          ])
        },
      ),
      { numRuns: cases(80) },
    ))

  it('no samples, no channels', async () => {
    const window = { kernel: [3], stride: [1], before: [0], after: [0], dilation: [1] }
    const geometry = { ...window, groups: 1 }
    await expectAgreement(engine, [
      convWith(numbers([0, 2, 5], 1), numbers([3, 2, 3], 2), geometry),
      convWith(numbers([2, 0, 5], 1), numbers([3, 0, 3], 2), geometry),
      convWeight(numbers([0, 2, 5], 1), numbers([0, 3, 3], 2), geometry),
      convInput(numbers([2, 0, 3], 1), numbers([0, 2, 3], 2), geometry, [5]),
      unfold(numbers([0, 2, 5], 1), window),
      fold(numbers([0, 6, 3], 1), window, [5]),
      maxPool(numbers([0, 2, 6], 1), [2]),
      avgPool(numbers([0, 2, 6], 1), [2]),
    ])
  })
})
