/** @file Random windows and planes that they fit on. */
import { type Shape, type Window } from '@beyondgrad/tensor'
import fc from 'fast-check'

export interface Geometry {
  readonly spatial: Shape
  readonly window: Window
}

export interface GeometryOptions {
  readonly pool?: boolean
  readonly simple?: boolean
}

interface Axis {
  readonly kernel: number
  readonly stride: number
  readonly before: number
  readonly after: number
  readonly dilation: number
  readonly size: number
}

/** `pool`: the padding is smaller than the window's reach; `simple`: no holes, no long steps for most. */
function axis({ pool = false, simple = false }: GeometryOptions): fc.Arbitrary<Axis> {
  return fc
    .record({
      kernel: fc.integer({ min: 1, max: simple ? 3 : 4 }),
      stride: simple ? fc.constantFrom(1, 1, 2) : fc.integer({ min: 1, max: 3 }),
      dilation: simple
        ? fc.constant(1)
        : fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 3 })),
      before: fc.nat(3),
      after: fc.nat(3),
      extra: fc.nat(5),
    })
    .map(({ kernel, stride, dilation, before, after, extra }) => {
      const reach = dilation * (kernel - 1) + 1
      const most = pool ? reach - 1 : 3
      const [b, a] = [Math.min(before, most), Math.min(after, most)]
      return {
        kernel,
        stride,
        dilation,
        before: b,
        after: a,
        size: Math.max(1, reach - b - a) + extra,
      }
    })
}

/** A window over one to three axes, padding on either side its own. */
export function geometries(options: GeometryOptions = {}): fc.Arbitrary<Geometry> {
  return fc.array(axis(options), { minLength: 1, maxLength: 3 }).map((axes) => ({
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
