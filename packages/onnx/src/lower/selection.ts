/**
 * @file Maxima of windows one axis after the other, and which element each window selects, as masks.
 *
 * Along an axis, the maximum of the first element of each window, of its first two, its first three … rises until it
 * reaches the window's maximum, and stays. Where it has reached it is a mask; the masks differ by one exactly where the
 * first maximum is. Max pooling along the last axis first and the first axis last finds the first maximum in row-major
 * order. All of it runs in parallel over whole rows, which MaxPool with indices and ScatterElements do not.
 */
import { sizeOf, type Window } from '@beyondgrad/tensor'
import { concat, full, pad, slice } from './arrange.ts'
import { product } from './contract.ts'
import { arrayOf, type Emitter, type Value } from './emitter.ts'
import { cast, pointwise } from './pointwise.ts'

/** A window along one axis of a value. */
interface AxisWindow {
  readonly axis: number
  /** Elements along the axis, padding not counted. */
  readonly size: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly positions: number
}

/** What a max pool selects: its maxima, and the masks along each axis from which a cotangent finds its way back. */
export interface Selection {
  readonly maxima: Value
  readonly steps: readonly Step[]
}

interface Step {
  readonly window: AxisWindow
  /** 1 where the first 1, 2, … elements of a window hold its maximum; for all elements it would be 1 everywhere. */
  readonly reached: readonly Value[]
}

/** Windows over the spatial axes of a value that has `lead` axes before them; the last axis comes first. */
function axisWindows(x: Value, window: Window, lead: number): AxisWindow[] {
  const axes = window.kernel.map((kernel, i): AxisWindow => {
    const [stride, dilation, before] = [window.stride[i]!, window.dilation[i]!, window.before[i]!]
    const size = x.shape[lead + i]!
    const room = size + before + window.after[i]! - (dilation * (kernel - 1) + 1)
    const positions = Math.floor(room / stride) + 1
    return { axis: lead + i, size, kernel, stride, dilation, before, positions }
  })
  return axes.reverse()
}

/** The maxima alone. */
export function maximaOf(emit: Emitter, x: Value, window: Window, lead: number): Value {
  return axisWindows(x, window, lead).reduce((y, along) => rising(emit, y, along).at(-1)!, x)
}

export function selectionOf(emit: Emitter, x: Value, window: Window, lead: number): Selection {
  let y = x
  const steps = axisWindows(x, window, lead).map((along): Step => {
    const maxima = rising(emit, y, along)
    const top = (y = maxima.at(-1)!)
    const reached = maxima
      .slice(0, -1)
      .map((maximum) => cast(emit, pointwise(emit, 'Equal', [maximum, top], 'bool'), top.dtype))
    return { window: along, reached }
  })
  return { maxima: y, steps }
}

/** Adds the cotangent of each maximum to where it was selected. */
export function select(emit: Emitter, cotangent: Value, { steps }: Selection): Value {
  return steps.toReversed().reduce((g, { window, reached }) => {
    // Up to each element; the difference to the one before is what that element gets, and exact: it is g or 0.
    const upTo = [...reached.map((mask) => pointwise(emit, 'Mul', [g, mask])), g]
    const parts = upTo.map((part, i) => (i === 0 ? part : pointwise(emit, 'Sub', [part, upTo[i - 1]!])))
    return spread(emit, parts, window)
  }, cotangent)
}

/** The maximum of the first 1, 2, … elements of each window along an axis; the last is the maximum of all. */
function rising(emit: Emitter, x: Value, window: AxisWindow): Value[] {
  const { axis, size, kernel, stride, dilation, before, positions } = window
  const missing = (elements: number): number =>
    Math.max(0, (positions - 1) * stride + (elements - 1) * dilation + 1 - before - size)
  const lengths = Array.from({ length: kernel }, (_, i) => i + 1)
  // MaxPool has padding that is shorter than the kernel only, and none for one element.
  const own = before === 0 && lengths.every((elements) => missing(elements) < elements)
  const from = own ? x : along(emit, x, axis, before, missing(kernel), -Infinity)
  return lengths.map((elements) => maxAlong(emit, from, window, elements, own ? missing(elements) : 0))
}

/** Adds elements around one axis. */
function along(emit: Emitter, x: Value, axis: number, before: number, after: number, value = 0): Value {
  const none = x.shape.map(() => 0)
  return pad(emit, x, none.with(axis, before), none.with(axis, after), value)
}

/** From this many elements on, a row is moved as a block. */
const block = 8

function maxAlong(emit: Emitter, x: Value, window: AxisWindow, elements: number, after: number): Value {
  const { axis, stride, dilation, positions } = window
  const inner = sizeOf(x.shape.slice(axis + 1))
  if (elements === 1 && (stride === 1 || inner >= block)) {
    return slice(emit, x, [{ axis, start: 0, count: positions, step: stride }])
  }
  const outer = sizeOf(x.shape.slice(0, axis))
  // As an image whose rows or columns are the axis.
  const width = axis === 0 ? 1 : x.shape[axis - 1]!
  const columns = inner === 1
  const place = (size: number): number[] =>
    columns ? [1, outer / width, width, size] : [1, outer, size, inner]
  const pair = (value: number, other: number): number[] => (columns ? [other, value] : [value, other])
  const size = x.shape[axis]!
  // Windows of fewer elements may fit where whole ones don't.
  const fitting = Math.floor((size + after - dilation * (elements - 1) - 1) / stride) + 1
  const y = emit.op(
    'MaxPool',
    [emit.reshape(x, place(size))],
    { shape: place(fitting), dtype: x.dtype },
    {
      kernel_shape: pair(elements, 1),
      strides: pair(stride, 1),
      dilations: pair(dilation, 1),
      pads: [0, 0, ...pair(after, 0)],
    },
  )
  const whole = emit.reshape(y, x.shape.with(axis, fitting))
  return slice(emit, whole, [{ axis, start: 0, count: positions, step: 1 }])
}

/** Adds the parts of each position to the elements of its window: the transpose of taking windows along an axis. */
function spread(emit: Emitter, parts: readonly Value[], window: AxisWindow): Value {
  const inner = sizeOf(parts[0]!.shape.slice(window.axis + 1))
  return inner >= block ? interleaved(emit, parts, window) : byProduct(emit, parts, window)
}

/** Sums of what is a whole number of strides apart, then their rows in turn. */
function interleaved(emit: Emitter, parts: readonly Value[], window: AxisWindow): Value {
  const { axis, size, stride, dilation, before, positions } = window
  const [first] = parts
  const rows = Math.ceil((before + size) / stride)
  const shape = first!.shape.with(axis, rows)
  const phases = Array.from({ length: stride }, (_, phase) => {
    const shifted = parts.flatMap((part, i) => {
      const shift = Math.floor((i * dilation) / stride)
      if ((i * dilation) % stride !== phase || shift >= rows) return []
      return along(emit, part, axis, shift, rows - positions - shift)
    })
    if (shifted.length === 0) return full(emit, first!.dtype, shape, 0)
    return shifted.reduce((a, b) => pointwise(emit, 'Add', [a, b]))
  })
  const one = shape.toSpliced(axis + 1, 0, 1)
  const joined = concat(
    emit,
    phases.map((phase) => emit.reshape(phase, one)),
    axis + 1,
  )
  const whole = emit.reshape(joined, shape.with(axis, rows * stride))
  return slice(emit, whole, [{ axis, start: before, count: size, step: 1 }])
}

/** A product with a matrix of zeros and ones, where rows are too short to move them one by one. */
function byProduct(emit: Emitter, parts: readonly Value[], window: AxisWindow): Value {
  const { axis, size, stride, dilation, before, positions } = window
  const { dtype, shape } = parts[0]!
  const rows = parts.length * positions
  const data = arrayOf(dtype, new Array<number>(rows * size).fill(0))
  for (let i = 0; i < parts.length; i++) {
    for (let p = 0; p < positions; p++) {
      const to = p * stride + i * dilation - before
      if (to >= 0 && to < size) data[(i * positions + p) * size + to] = 1
    }
  }
  const matrix = emit.constant(dtype, [rows, size], data)
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))]
  const joined = emit.reshape(concat(emit, parts, axis), inner === 1 ? [outer, rows] : [outer, rows, inner])
  const sums = inner === 1 ? product(emit, joined, matrix) : product(emit, matrix, joined, { a: true })
  return emit.reshape(sums, shape.with(axis, size))
}
