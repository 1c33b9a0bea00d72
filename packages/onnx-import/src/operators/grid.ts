/** @file Elements of an image at places that data say, between its pixels. */
import {
  abs,
  add,
  type AnyTensor,
  cast,
  clip,
  expand,
  floor,
  gatherElements,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  maximum,
  minimum,
  mod,
  mul,
  reshape,
  round,
  sizeOf,
  slice,
  sub,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

interface Sampling {
  /** [N, C, sizes]. */
  readonly image: Tensor
  readonly padding: string
  readonly aligned: boolean
  readonly places: number
}

/** Where an image ends: at the middles of the outermost pixels, or at their borders. */
function bounds(size: number, aligned: boolean): readonly [least: number, most: number] {
  return aligned ? [0, size - 1] : [-0.5, size - 0.5]
}

/** A coordinate turned around at the ends as often as it takes. */
function reflected(x: Tensor, size: number, aligned: boolean): Tensor {
  const [least, most] = bounds(size, aligned)
  const range = most - least
  if (range <= 0) return mul(x, 0)
  const from = abs(sub(x, least))
  const within = mod(from, 2 * range)
  return add(minimum(within, sub(2 * range, within)), least)
}

function inside(x: Tensor, size: number, { padding, aligned }: Sampling): Tensor {
  if (padding === 'border') return clip(x, 0, size - 1)
  return padding === 'reflection' ? clip(reflected(x, size, aligned), 0, size - 1) : x
}

/** Pixels at whole coordinates, [N, C, places]; beyond the image they are 0. */
function pixels(coordinates: readonly Tensor[], sampling: Sampling): Tensor {
  const { image, places } = sampling
  const [n, c, ...sizes] = image.shape as [number, number, ...number[]]
  let flat: Tensor | undefined
  let exists: Tensor<'bool'> | undefined
  coordinates.forEach((x, axis) => {
    const size = sizes[axis]!
    const within = logicalAnd(greaterEqual(x, 0), lessEqual(x, size - 1))
    exists = exists ? logicalAnd(exists, within) : within
    const kept = minimum(maximum(x, 0), size - 1)
    flat = flat ? add(mul(flat, size), kept) : kept
  })
  const at = expand(reshape(cast(flat!, 'int32'), [n, 1, places]), [n, c, places])
  const found = gatherElements(reshape(image, [n, c, sizeOf(sizes)]), at, 2)
  return where(expand(reshape(exists!, [n, 1, places]), [n, c, places]), found, 0)
}

/** Sums over all combinations of neighbours, axis by axis: pixels times the weights along each axis. */
function combined(
  neighbours: readonly (readonly (readonly [at: Tensor, weight: Tensor])[])[],
  sampling: Sampling,
): Tensor {
  const n = sampling.image.shape[0]!
  const visit = (axis: number, at: readonly Tensor[], weight: Tensor | undefined): Tensor => {
    if (axis === neighbours.length) {
      const found = pixels(at, sampling)
      return weight ? mul(found, reshape(weight, [n, 1, sampling.places])) : found
    }
    return neighbours[axis]!.map(([place, share]) =>
      visit(axis + 1, [...at, place], weight ? mul(weight, share) : share),
    ).reduce(add)
  }
  return visit(0, [], undefined)
}

/** Keys' kernel, with the coefficient that PyTorch takes. */
function cubicShare(distance: Tensor, a = -0.75): Tensor {
  const near = add(mul(mul(sub(mul(distance, a + 2), a + 3), distance), distance), 1)
  const far = mul(sub(mul(add(mul(sub(distance, 5), distance), 8), distance), 4), a)
  return where(less(distance, 1), near, far)
}

function gridSample(call: OperatorCall): AnyTensor {
  const [image, grid] = [call.float(0), call.float(1)]
  const [n, c, ...sizes] = image.shape as [number, number, ...number[]]
  const output = grid.shape.slice(1, -1)
  const { attributes } = call
  const places = sizeOf(output)
  const sampling: Sampling = {
    image,
    padding: attributes.string('padding_mode', 'zeros'),
    aligned: attributes.flag('align_corners'),
    places,
  }
  const mode = attributes.string('mode', 'linear')
  const rank = sizes.length
  // The grid names the last axis first, in units of half the image.
  const coordinates = sizes.map((size, axis) => {
    const last = grid.shape.length - 1
    const raw = reshape(slice(grid, last, rank - 1 - axis, rank - axis), [n, places])
    return sampling.aligned ? mul(add(raw, 1), (size - 1) / 2) : mul(sub(mul(add(raw, 1), size), 1), 0.5)
  })
  const result = sampled(call, mode, coordinates, sizes, sampling)
  return reshape(result, [n, c, ...output])
}

function sampled(
  call: OperatorCall,
  mode: string,
  coordinates: readonly Tensor[],
  sizes: readonly number[],
  sampling: Sampling,
): Tensor {
  switch (mode) {
    case 'nearest':
      return pixels(
        coordinates.map((x, axis) => inside(round(x), sizes[axis]!, sampling)),
        sampling,
      )
    case 'linear':
    case 'bilinear':
      return combined(
        coordinates.map((x, axis) => {
          const place = inside(x, sizes[axis]!, sampling)
          const lower = floor(place)
          const share = sub(place, lower)
          return [
            [lower, sub(1, share)],
            [add(lower, 1), share],
          ] as const
        }),
        sampling,
      )
    case 'cubic':
    case 'bicubic':
      return combined(
        coordinates.map((x, axis) => {
          const lower = floor(x)
          const share = sub(x, lower)
          return [-1, 0, 1, 2].map(
            (offset) =>
              [
                inside(add(lower, offset), sizes[axis]!, sampling),
                cubicShare(abs(sub(share, offset))),
              ] as const,
          )
        }),
        sampling,
      )
    default:
      return call.fail(`there is no mode "${mode}"`)
  }
}

export const grids: OperatorTable = { GridSample: operator(gridSample) }
