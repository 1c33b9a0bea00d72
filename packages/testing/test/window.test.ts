import {
  avgPool,
  conv,
  convInput,
  convWeight,
  fold,
  maxPool,
  sizeOf,
  type Tensor,
  unfold,
  type Window,
  windowPositions,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { checkRule } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'
import { runs } from './seeds.ts'

interface Axis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
  readonly size: number
}

const axis: fc.Arbitrary<Axis> = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    before: fc.nat(2),
    after: fc.nat(2),
    extra: fc.nat(2),
  })
  .map(({ extra, ...rest }) => ({
    ...rest,
    size: Math.max(1, rest.dilation * (rest.kernel - 1) + 1 - rest.before - rest.after) + extra,
  }))

/** Groups, strides, dilations and paddings of every kind together, over one or two spatial axes. */
const geometry = fc.record({
  axes: fc.array(axis, { minLength: 1, maxLength: 2 }),
  groups: fc.integer({ min: 1, max: 3 }),
  inner: fc.integer({ min: 1, max: 2 }),
  out: fc.integer({ min: 1, max: 2 }),
  seed: fc.nat(1e6),
})

function windowOf(axes: readonly Axis[]): Window {
  return {
    kernel: axes.map(({ kernel }) => kernel),
    stride: axes.map(({ stride }) => stride),
    dilation: axes.map(({ dilation }) => dilation),
    before: axes.map(({ before }) => before),
    after: axes.map(({ after }) => after),
  }
}

const options = ({ stride, dilation, before, after }: Window) => ({
  stride,
  dilation,
  padding: before.map((b, i) => [b, after[i]!] as const),
})

describe('rules of window ops, for groups × stride × dilation × asymmetric padding', () => {
  it('conv, convInput and convWeight', async () => {
    await fc.assert(
      fc.asyncProperty(geometry, async ({ axes, groups, inner, out, seed }) => {
        const window = windowOf(axes)
        const spatial = axes.map(({ size }) => size)
        const random = numbers(seed)
        const x = randomTensor([2, groups * inner, ...spatial], random)
        const w = randomTensor([groups * out, inner, ...window.kernel], random)
        const g = randomTensor([2, groups * out, ...windowPositions('test', spatial, window)], random)
        await checkRule((a, b) => conv(a, b, { ...options(window), groups }), [x, w])
        await checkRule((a, b) => convInput(a, b, { ...window, groups }, spatial), [g, w])
        await checkRule((a, b) => convWeight(a, b, { ...window, groups }), [x, g])
      }),
      runs(20),
    )
  })

  it('unfold and fold', async () => {
    await fc.assert(
      fc.asyncProperty(geometry, async ({ axes, inner, seed }) => {
        const window = windowOf(axes)
        const spatial = axes.map(({ size }) => size)
        const random = numbers(seed)
        const positions = sizeOf(windowPositions('test', spatial, window))
        await checkRule((a) => unfold(a, window), [randomTensor([2, inner, ...spatial], random)])
        const y = randomTensor([2, inner * sizeOf(window.kernel), positions], random)
        await checkRule((a) => fold(a, window, spatial), [y])
      }),
      runs(30),
    )
  })

  it('pools, overlapping or with gaps', async () => {
    await fc.assert(
      fc.asyncProperty(geometry, fc.boolean(), async ({ axes, inner, seed }, countPadding) => {
        // Padding stays inside of the window, and the window meets the plane wherever it is.
        const inside = axes.map((a) => ({
          ...a,
          before: Math.min(a.before, a.kernel - 1),
          after: Math.min(a.after, a.kernel - 1),
          dilation: 1,
          size: a.size + a.kernel,
        }))
        const window = windowOf(inside)
        const x = randomTensor([2, inner, ...inside.map(({ size }) => size)], numbers(seed))
        await checkRule((a: Tensor) => maxPool(a, window.kernel, options(window)), [x])
        await checkRule((a: Tensor) => avgPool(a, window.kernel, { ...options(window), countPadding }), [x])
      }),
      runs(30),
    )
  })
})
