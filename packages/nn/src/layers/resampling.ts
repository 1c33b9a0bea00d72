/** @file Upsampling of spatial axes. */
import type { Module } from '@beyondgrad/autograd'
import { BeyondgradError, formatShape, resize, ShapeError } from '@beyondgrad/tensor'
import { moduleOf } from '../module.ts'

export interface UpsampleOptions {
  /** Size of the spatial axes in the result; this or `scaleFactor`. */
  readonly size?: number | readonly number[]
  /** What sizes are multiplied with (and rounded down); positions follow from the sizes, as with `recompute_scale_factor` in PyTorch. */
  readonly scaleFactor?: number | readonly number[]
  /** 'linear' is for one spatial axis, 'bilinear' and 'bicubic' for two, 'trilinear' for three. Default: 'nearest'. */
  readonly mode?: 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'trilinear' | 'bicubic'
  /** Whether the corners of input and result are the same points. Default: false. */
  readonly alignCorners?: boolean
}

const ranks = { linear: 1, bilinear: 2, trilinear: 3, bicubic: 2 } as const

/** [N, C, ...spatial] → [N, C, ...size]. */
export function Upsample(options: UpsampleOptions): Module {
  const { size, scaleFactor, mode = 'nearest', alignCorners = false } = options
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new BeyondgradError('value', 'Upsample: give either size or scaleFactor')
  }
  const near = mode === 'nearest' || mode === 'nearest-exact'
  if (near && alignCorners) {
    throw new BeyondgradError('value', `Upsample: alignCorners has no meaning for mode "${mode}"`)
  }
  if (!near && !(mode in ranks)) {
    throw new BeyondgradError(
      'value',
      `Upsample: mode is nearest, nearest-exact, ${Object.keys(ranks).join(', ')}, not "${mode as string}"`,
    )
  }
  return moduleOf((x) => {
    const spatial = x.shape.slice(2)
    if (spatial.length < 1 || (!near && spatial.length !== ranks[mode])) {
      const wanted = near ? '...spatial' : { 1: 'L', 2: 'H, W', 3: 'D, H, W' }[ranks[mode]]
      throw new ShapeError(
        'Upsample',
        `mode "${mode}" expects [N, C, ${wanted}], got ${formatShape(x.shape)}`,
      )
    }
    const each = (value: number | readonly number[]): readonly number[] =>
      typeof value === 'number' ? spatial.map(() => value) : value
    const sizes =
      size === undefined
        ? each(scaleFactor!).map((factor, i) => Math.floor(spatial[i]! * factor))
        : each(size)
    if (sizes.length !== spatial.length) {
      throw new ShapeError('Upsample', `${sizes.length} sizes for an input of ${formatShape(x.shape)}`)
    }
    if (mode === 'nearest') return resize(x, sizes, { coordinates: 'asymmetric', rounding: 'floor' })
    // A tie between two neighbours goes to the upper one, as in PyTorch.
    if (mode === 'nearest-exact') return resize(x, sizes, { rounding: 'round-up' })
    const coordinates = alignCorners ? 'align-corners' : 'half-pixel'
    return resize(x, sizes, { mode: mode === 'bicubic' ? 'cubic' : 'linear', coordinates })
  })
}
