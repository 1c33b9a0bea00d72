/**
 * @file Convolutions with the samples last in memory: [C, ...spatial, N] is one image [C, ..., width × N] whose windows
 * are dilated by N along the last axis, so ONNX Runtime unfolds and multiplies once instead of once a sample.
 */
import { type Convolution, type Shape, sizeOf, type Window } from '@beyondgrad/tensor'
import { concat } from './arrange.ts'
import { product } from './contract.ts'
import type { Emitter, Value } from './emitter.ts'
import { firstLast, isIdentity, lastFirst } from './layout.ts'
import { offsets, padSpatial, pickingKernels, tap, unfolded, withoutPadding } from './window.ts'

/** Fewer samples than this are not worth it. */
const fewest = 16

/** Whether x is stored with its samples last. */
export function isSamplesLast(emit: Emitter, x: Value): boolean {
  const { order } = emit.stored(x)
  return !isIdentity(order) && lastFirst(order.length, 1).every((axis, i) => axis === order[i])
}

/** [N, ...rest] as [...rest, N], and so in memory. */
export function samplesLast(emit: Emitter, x: Value): Value {
  return emit.settled(emit.transpose(x, firstLast(x.shape.length, 1)))
}

/** [...rest, N] as [N, ...rest]. */
export function samplesFirst(emit: Emitter, x: Value): Value {
  return emit.transpose(x, lastFirst(x.shape.length, 1))
}

/** Whether a convolution of this input is better done with the samples last. */
export function prefersSamplesLast(emit: Emitter, x: Value, window: Window): boolean {
  // A file for everybody should say what it means, and not how one runtime is quick.
  if (!emit.contrib) return false
  // Along the last axis, steps of one position are steps of N elements; longer ones would skip samples.
  return x.dtype === 'float32' && x.shape[0]! >= fewest && window.stride.at(-1) === 1
}

/** The shape with its last two axes as one. */
function merged(shape: Shape): number[] {
  return [...shape.slice(0, -2), shape.at(-2)! * shape.at(-1)!]
}

/** Multiplies what is said of the last axis. */
function spread(list: readonly number[], by: number): number[] {
  return list.with(-1, list.at(-1)! * by)
}

/** x: [C, ...spatial, N], w: [O, C / groups, ...kernel] → [O, ...positions, N] */
export function convSamplesLast(
  emit: Emitter,
  x: Value,
  w: Value,
  bias: Value | undefined,
  { kernel, stride, dilation, before, after, groups }: Convolution,
  positions: Shape,
): Value {
  const samples = x.shape.at(-1)!
  const shape = [w.shape[0]!, ...positions, samples]
  const y = emit.op(
    'Conv',
    [emit.reshape(x, [1, ...merged(x.shape)]), w, bias].filter((input) => input !== undefined),
    { shape: [1, ...merged(shape)], dtype: x.dtype },
    {
      kernel_shape: kernel,
      strides: stride,
      dilations: spread(dilation, samples),
      pads: [...spread(before, samples), ...spread(after, samples)],
      group: groups,
    },
  )
  return emit.reshape(y, shape)
}

/** The convolution that takes the cotangent of another to that of its input; undefined if there is none. */
function reversed(convolution: Convolution): Convolution | undefined {
  const { kernel, stride, dilation } = convolution
  if (stride.some((s) => s !== 1)) return undefined
  const around = (padding: Shape): number[] => padding.map((p, i) => dilation[i]! * (kernel[i]! - 1) - p)
  const [before, after] = [around(convolution.before), around(convolution.after)]
  if ([...before, ...after].some((p) => p < 0)) return undefined
  return { ...convolution, before, after }
}

/** g: [O, ...positions, N], w: [O, C / groups, ...kernel] → [C, ...spatial, N], or undefined where it can't. */
export function convInputSamplesLast(
  emit: Emitter,
  g: Value,
  w: Value,
  convolution: Convolution,
  spatial: Shape,
): Value | undefined {
  const back = reversed(convolution)
  return back && convSamplesLast(emit, g, turned(emit, w, convolution.groups), undefined, back, spatial)
}

/** [O, C / groups, ...kernel] → [C, O / groups, ...kernel], every kernel turned round. */
function turned(emit: Emitter, w: Value, groups: number): Value {
  const [out, inner, ...kernel] = w.shape
  const axes = kernel.flatMap((size, i) => (size > 1 ? i + 2 : []))
  const flipped =
    axes.length === 0
      ? w
      : emit.op(
          'Slice',
          [
            w,
            emit.ints(axes.map(() => -1)),
            emit.ints(axes.map((axis) => -1 - w.shape[axis]!)),
            emit.ints(axes),
            emit.ints(axes.map(() => -1)),
          ],
          w,
        )
  const grouped = emit.reshape(flipped, [groups, out! / groups, inner!, ...kernel])
  const order = [0, 2, 1, ...kernel.map((_, i) => i + 3)]
  return emit.reshape(emit.transpose(grouped, order), [groups * inner!, out! / groups, ...kernel])
}

/** Unfolded inputs of more elements are multiplied element by element of the kernel, each in its turn. */
const largest = 2 ** 25

/** x: [C, ...spatial, N], g: [O, ...positions, N] → [O, C / groups, ...kernel] */
export function convWeightSamplesLast(emit: Emitter, x: Value, g: Value, convolution: Convolution): Value {
  const { kernel, groups } = convolution
  const positions = g.shape.slice(1, -1)
  const [channels, out] = [x.shape[0]!, g.shape[0]!]
  const elements = sizeOf(kernel)
  const places = sizeOf(g.shape.slice(1))
  const cotangent = emit.reshape(g, [groups, out / groups, places])
  const shape = [out, channels / groups, ...kernel]
  if (channels * elements * places > largest) {
    const padded = padSpatial(emit, x, convolution, 0, 1)
    const taps = offsets(kernel).map((offset) => {
      const seen = tap(emit, padded, withoutPadding(convolution), positions, offset, 1)
      const rows = emit.reshape(seen, [groups, channels / groups, places])
      return emit.reshape(product(emit, cotangent, rows, { b: true }), [out, channels / groups, 1])
    })
    return emit.reshape(concat(emit, taps, 2), shape)
  }
  const columns = emit.reshape(columnsOf(emit, x, convolution, positions), [
    groups,
    (channels / groups) * elements,
    places,
  ])
  return emit.reshape(product(emit, cotangent, columns, { b: true }), shape)
}

/** [C, ...spatial, N] → [C, elements, ...positions, N], in one shape or another. */
function columnsOf(emit: Emitter, x: Value, window: Window, positions: Shape): Value {
  const channels = x.shape[0]!
  if (channels === 1 || window.stride.at(-1) !== 1) {
    return unfolded(emit, x, window, { lead: 1, axis: 1 })
  }
  const picking = pickingKernels(emit, channels, window.kernel)
  return convSamplesLast(emit, x, picking, undefined, { ...window, groups: channels }, positions)
}
