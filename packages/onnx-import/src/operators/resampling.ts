/**
 * @file Resampling of axes. Every element of the result is a weighted sum of elements of the source (its taps), one axis after
 * the other; where they lie depends on sizes and attributes alone.
 */
import {
  add,
  type AnyTensor,
  constantOf,
  gather,
  matmul,
  moveAxes,
  mul,
  repeatInterleave,
  resize,
  type Tensor,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** One axis that is resampled. */
interface Axis {
  readonly axis: number
  readonly from: number
  readonly to: number
  /** The factor that was asked for, of which `to / from` may be the rounded value. */
  readonly scale: number
  /** The part of the axis that is looked at, for `tf_crop_and_resize`. */
  readonly crop: readonly [start: number, end: number]
}

interface Method {
  readonly mode: 'nearest' | 'linear' | 'cubic'
  readonly coordinates: string
  readonly nearest: string
  readonly cubic: number
  readonly excludeOutside: boolean
  readonly antialias: boolean
  readonly extrapolation: number
}

/** Where position i of the result lies in the source. */
function positionOf(coordinates: string, { from, to, scale, crop }: Axis, i: number): number | undefined {
  switch (coordinates) {
    case 'half_pixel':
      return (i + 0.5) / scale - 0.5
    case 'half_pixel_symmetric': {
      // The middle stays the middle, though the size was rounded down.
      const offset = (from / 2) * (1 - to / (from * scale))
      return offset + (i + 0.5) / scale - 0.5
    }
    case 'pytorch_half_pixel':
      return to > 1 ? (i + 0.5) / scale - 0.5 : 0
    case 'align_corners':
      return to === 1 ? 0 : (i * (from - 1)) / (from * scale - 1)
    case 'asymmetric':
      return i / scale
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale
    case 'tf_crop_and_resize': {
      const [start, end] = crop
      return to > 1
        ? start * (from - 1) + (i * (end - start) * (from - 1)) / (to - 1)
        : 0.5 * (start + end) * (from - 1)
    }
    default:
      return undefined
  }
}

function rounded(mode: string, x: number): number {
  switch (mode) {
    case 'floor':
      return Math.floor(x)
    case 'ceil':
      return Math.ceil(x)
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5)
    default:
      return Math.ceil(x - 0.5)
  }
}

const triangle = (d: number): number => Math.max(0, 1 - Math.abs(d))

/** Keys' cubic kernel (1981) with coefficient a. */
const keys =
  (a: number) =>
  (d: number): number => {
    const x = Math.abs(d)
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
  }

/** The weights of all elements of the source for one position, as a row that is added to. */
function addTaps(row: Float64Array, x: number, method: Method, scale: number): void {
  const [kernel, support] =
    method.mode === 'linear' ? ([triangle, 1] as const) : ([keys(method.cubic), 2] as const)
  // Shrinking with antialias looks at as many elements as fall together.
  const stretch = method.antialias ? Math.min(scale, 1) : 1
  const weights: [number, number][] = []
  let total = 0
  for (let i = Math.ceil(x - support / stretch); i <= Math.floor(x + support / stretch); i++) {
    const outside = i < 0 || i >= row.length
    const weight = outside && method.excludeOutside ? 0 : kernel((i - x) * stretch)
    weights.push([Math.min(Math.max(i, 0), row.length - 1), weight])
    total += weight
  }
  for (const [i, weight] of weights) row[i]! += weight / (total === 0 ? 1 : total)
}

function alongAxis(call: OperatorCall, x: Tensor, at: Axis, method: Method): Tensor {
  const { axis, from, to, scale } = at
  if (from === to && scale === 1 && method.coordinates !== 'tf_crop_and_resize') return x
  if (from === 0 || to < 1) call.fail(`axis ${axis} of size ${from} can't get the size ${to}`)
  const places = Array.from(
    { length: to },
    (_, i) =>
      positionOf(method.coordinates, at, i) ?? call.fail(`there are no coordinates "${method.coordinates}"`),
  )
  const outside = places.map((p) => method.coordinates === 'tf_crop_and_resize' && (p < 0 || p > from - 1))
  const result =
    method.mode === 'nearest'
      ? nearest(
          x,
          axis,
          places.map((p) => Math.min(Math.max(rounded(method.nearest, p), 0), from - 1)),
        )
      : weighted(x, at, places, method)
  if (!outside.includes(true)) return result
  const shape = [to, ...x.shape.slice(axis + 1).map(() => 1)]
  const inside = constantOf(
    Float64Array.from(outside, (out) => (out ? 0 : 1)),
    shape,
    'float32',
  )
  const filled = constantOf(
    Float64Array.from(outside, (out) => (out ? method.extrapolation : 0)),
    shape,
    'float32',
  )
  return add(mul(result, inside), filled)
}

/** Elements of an axis; every one the same number of times in a row needs no index. */
function nearest(x: Tensor, axis: number, indices: readonly number[]): Tensor {
  const times = indices.length / x.shape[axis]!
  if (Number.isInteger(times) && indices.every((index, i) => index === Math.floor(i / times))) {
    return times === 1 ? x : repeatInterleave(x, times, axis)
  }
  return gather(x, constantOf(Int32Array.from(indices), [indices.length], 'int32'), axis)
}

const usual: Readonly<Record<string, 'half-pixel' | 'align-corners' | 'asymmetric' | undefined>> = {
  half_pixel: 'half-pixel',
  align_corners: 'align-corners',
  asymmetric: 'asymmetric',
}

function weighted(x: Tensor, at: Axis, places: readonly number[], method: Method): Tensor {
  const { axis, from, to, scale } = at
  const coordinates = usual[method.coordinates]
  const plain =
    !method.excludeOutside && !(method.antialias && scale < 1) && Math.abs(from * scale - to) < 1e-4
  if (coordinates !== undefined && plain) {
    return resize(x, [to], { mode: method.mode, coordinates, cubic: method.cubic, axes: [axis] })
  }
  const matrix = new Float64Array(to * from)
  places.forEach((place, i) => addTaps(matrix.subarray(i * from, (i + 1) * from), place, method, scale))
  const weights = constantOf(matrix, [to, from], 'float32')
  return moveAxes(matmul(moveAxes(x, [axis], [-1]), weights.transpose()), [-1], [axis])
}

/** Sizes and factors of the axes; sizes win over scales where both are there. */
function axesOf(call: OperatorCall, x: Tensor): Axis[] {
  const { attributes } = call
  const rank = x.shape.length
  const old = call.opset < 11
  const axes =
    attributes.ints('axes')?.map((axis) => (axis < 0 ? axis + rank : axis)) ?? x.shape.map((_, axis) => axis)
  const numbers = (input: number): number[] | undefined => {
    const list = call.content(input)
    return list === undefined || list.length === 0
      ? undefined
      : Array.from(list as ArrayLike<number | bigint>, Number)
  }
  const scales = attributes.floats('scales') ?? numbers(old ? 1 : 2)
  const sizes = old ? undefined : numbers(3)
  const given = sizes ?? scales ?? call.fail('neither scales nor sizes are there')
  if (given.length !== axes.length) call.fail(`${given.length} scales or sizes for ${axes.length} axes`)
  const roi = old ? undefined : numbers(1)
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch')
  const ratios = sizes?.map((size, i) => size / x.shape[axes[i]!]!)
  const common = policy === 'not_larger' ? Math.min(...(ratios ?? [])) : Math.max(...(ratios ?? []))
  return axes.map((axis, i): Axis => {
    const from = x.shape[axis] ?? call.fail(`there is no axis ${axis}`)
    const keeps = sizes !== undefined && policy !== 'stretch'
    const scale = keeps ? common : (ratios?.[i] ?? scales![i]!)
    // Half of a pixel is one more.
    const to = keeps ? Math.floor(common * from + 0.5) : (sizes?.[i] ?? Math.floor(from * scale))
    return { axis, from, to, scale, crop: [roi?.[i] ?? 0, roi?.[i + axes.length] ?? 1] }
  })
}

function resized(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const { attributes } = call
  // Opset 10 has a way of its own, as Upsample.
  const old = call.opset < 11 || call.node.operator === 'Upsample'
  const mode = attributes.string('mode', 'nearest')
  const method: Method = {
    mode: mode === 'nearest' || mode === 'cubic' ? mode : 'linear',
    coordinates: old ? 'asymmetric' : attributes.string('coordinate_transformation_mode', 'half_pixel'),
    nearest: old ? 'floor' : attributes.string('nearest_mode', 'round_prefer_floor'),
    cubic: attributes.float('cubic_coeff_a', -0.75),
    excludeOutside: attributes.flag('exclude_outside'),
    antialias: attributes.flag('antialias'),
    extrapolation: attributes.float('extrapolation_value', 0),
  }
  return axesOf(call, x).reduce((y, axis) => alongAxis(call, y, axis, method), x)
}

export const resamplings: OperatorTable = {
  Resize: operator(resized, { known: [1, 2, 3] }),
  Upsample: operator(resized, { known: [1] }),
}
