/**
 * @file Pools. The first maximum of a window in row-major order is the one that counts; ONNX Runtime's MaxPool picks
 * the same.
 */
import {
  type AnyTensor,
  sameShape,
  type Shape,
  sizeOf,
  type Window,
  windowIndex,
  windowPositions,
} from '@beyondgrad/tensor'
import { concat, full, slice } from './arrange.ts'
import { product } from './contract.ts'
import { arrayOf, type Emitter, type Value } from './emitter.ts'
import { pointwise } from './pointwise.ts'
import { type Lowering, type Rule, type Rules, unsupported } from './rule.ts'
import { isSamplesLast, samplesFirst, samplesLast } from './samples-last.ts'
import { maximaOf, select, selectionOf } from './selection.ts'
import { padSpatial, windowAttributes, windowOfNode, withoutPadding } from './window.ts'

/** ONNX Runtime refuses padding as wide as the kernel, and has no -∞ for windows that are all padding. */
function needsPadding(spatial: Shape, window: Window): boolean {
  const { kernel, before, after } = window
  if (kernel.some((size, i) => before[i]! >= size || after[i]! >= size)) return true
  return emptyPlaces(spatial, window).length > 0
}

/** For each position, whether its window holds nothing but padding; an empty list if none does. */
function emptyPlaces(spatial: Shape, window: Window): boolean[] {
  // The padding is narrower than a window, so only a window with holes can miss what is between.
  if (window.dilation.every((d) => d === 1)) return []
  const positions = windowPositions('maxPool', spatial, window)
  const index = windowIndex(spatial, positions, window)
  const elements = sizeOf(window.kernel)
  const empty = Array.from({ length: sizeOf(positions) }, (_, p) =>
    index.subarray(p * elements, (p + 1) * elements).every((from) => from < 0),
  )
  return empty.includes(true) ? empty : []
}

/** The input and window of a max pool in a form that MaxPool takes; the padding may have gone into the input. */
function prepared(emit: Emitter, x: Value, window: Window): { readonly x: Value; readonly window: Window } {
  if (!needsPadding(x.shape.slice(2), window)) return { x, window }
  return { x: padSpatial(emit, x, window, -Infinity), window: withoutPadding(window) }
}

/** For more columns of cotangents than this, masks cost more than indices. */
const fewColumns = 2

function pooledShape(node: AnyTensor): Shape {
  const [x] = node.inputs
  const spatial = windowPositions('maxPool', x!.shape.slice(2), windowOfNode(node))
  return [...x!.shape.slice(0, 2), ...spatial]
}

/** How many columns of cotangents go back through this pool in the whole graph. */
function columnsThrough(node: AnyTensor, lowering: Lowering): number {
  const own = windowOfNode(node)
  const keys = Object.keys(own) as (keyof Window)[]
  const places = sizeOf(pooledShape(node))
  let columns = 0
  for (const user of lowering.users(node.inputs[0]!)) {
    if (user.op.name !== 'maxPoolVjp') continue
    const other = windowOfNode(user)
    if (keys.every((key) => sameShape(own[key], other[key])))
      columns += sizeOf(user.inputs[1]!.shape) / places
  }
  return columns
}

const maxPool: Rule = (node, [x], lowering) => {
  checkFloat(node)
  const { emit } = lowering
  const window = windowOfNode(node)
  const spatial = x!.shape.slice(2)
  const y = maximum(node, x!, lowering)
  const empty = emptyPlaces(spatial, window)
  if (empty.length === 0) return y
  const lowest = empty.map((is) => (is ? -Infinity : 0))
  const offset = emit.constant(node.dtype, node.shape.slice(2), arrayOf(node.dtype, lowest))
  return pointwise(emit, 'Add', [y, offset])
}

function maximum(node: AnyTensor, x: Value, lowering: Lowering): Value {
  const { emit } = lowering
  const window = windowOfNode(node)
  if (isSamplesLast(emit, x)) return samplesFirst(emit, maximaOf(emit, samplesLast(emit, x), window, 1))
  const columns = columnsThrough(node, lowering)
  if (columns > 0 && columns <= fewColumns) return maximaOf(emit, x, window, 2)
  const { x: from, window: bare } = prepared(emit, x, window)
  return emit.op('MaxPool', [from], node, windowAttributes(bare))
}

/** Where each maximum is, as one flat index into the (padded) input: [N × C × positions]. */
function maxima(
  emit: Emitter,
  x: Value,
  window: Window,
): { readonly index: Value; readonly padded: Shape; readonly window: Window } {
  const { x: from, window: bare } = prepared(emit, x, window)
  const shape = [...x.shape.slice(0, 2), ...windowPositions('maxPool', x.shape.slice(2), window)]
  const [, index] = emit.ops(
    'MaxPool',
    [from],
    [
      { shape, dtype: x.dtype },
      { shape, dtype: 'int64' },
    ],
    windowAttributes(bare),
  )
  return { index: emit.reshape(index!, [sizeOf(shape)]), padded: from.shape, window: bare }
}

const maxPoolVjp: Rule = (node, [x, g], lowering) => {
  checkFloat(node)
  const { emit } = lowering
  if (g!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const columns = sizeOf(g!.shape) / sizeOf(pooledShape(node))
  return columnsThrough(node, lowering) <= fewColumns
    ? byMasks(emit, node, x!, g!, columns)
    : byIndex(emit, node, x!, g!, columns)
}

/** Column by column in the order in which x is stored. */
function byMasks(emit: Emitter, node: AnyTensor, x: Value, g: Value, columns: number): Value {
  const window = windowOfNode(node)
  const last = isSamplesLast(emit, x)
  const selection = last
    ? selectionOf(emit, samplesLast(emit, x), window, 1)
    : selectionOf(emit, x, window, 2)
  const shape = pooledShape(node)
  const flat = emit.reshape(g, [columns, ...shape])
  const parts = Array.from({ length: columns }, (_, v) => {
    const column = emit.reshape(slice(emit, flat, [{ axis: 0, start: v, count: 1, step: 1 }]), shape)
    const whole = select(emit, last ? samplesLast(emit, column) : column, selection)
    return emit.reshape(last ? samplesFirst(emit, whole) : whole, [1, ...x.shape])
  })
  return emit.reshape(concat(emit, parts, 0), node.shape)
}

/** By a flat index, which all columns share. */
function byIndex(emit: Emitter, node: AnyTensor, x: Value, g: Value, columns: number): Value {
  const window = windowOfNode(node)
  const { index, padded } = maxima(emit, x, window)
  const flat = emit.reshape(g, [columns, index.shape[0]!])
  const zeros = full(emit, node.dtype, [sizeOf(padded)], 0)
  const parts = Array.from({ length: columns }, (_, v) => {
    const column = slice(emit, flat, [{ axis: 0, start: v, count: 1, step: 1 }])
    const inputs = [zeros, index, emit.reshape(column, index.shape)]
    const scattered = emit.op('ScatterElements', inputs, zeros, { axis: 0, reduction: 'add' })
    return emit.reshape(scattered, [1, ...padded])
  })
  return emit.reshape(cropped(emit, concat(emit, parts, 0), x.shape, window), node.shape)
}

/** Cuts the padding of a window off the last axes, if it is there. */
function cropped(emit: Emitter, y: Value, shape: Shape, { before }: Window): Value {
  const lead = y.shape.length - before.length
  return slice(
    emit,
    y,
    shape.slice(2).map((count, i) => ({
      axis: lead + i,
      start: y.shape[lead + i] === count ? 0 : before[i]!,
      count,
      step: 1,
    })),
  )
}

const maxPoolJvp: Rule = (node, [x, t], { emit }) => {
  checkFloat(node)
  const window = windowOfNode(node)
  const { index, padded } = maxima(emit, x!, window)
  const columns = sizeOf(t!.shape) / sizeOf(x!.shape)
  const tangents = emit.reshape(t!, [columns * x!.shape[0]!, ...x!.shape.slice(1)])
  const source = sizeOf(padded) === sizeOf(x!.shape) ? tangents : padSpatial(emit, tangents, window)
  const read = emit.op(
    'Gather',
    [emit.reshape(source, [columns, sizeOf(padded)]), index],
    { shape: [columns, index.shape[0]!], dtype: node.dtype },
    { axis: 1 },
  )
  return emit.reshape(read, node.shape)
}

function checkFloat(node: AnyTensor): void {
  if (node.dtype !== 'float32' && node.dtype !== 'float64') {
    throw unsupported(node, 'it takes floating-point numbers; use cast()')
  }
}

/** 1 where a window along one axis covers an element: [positions, size]. */
function cover(emit: Emitter, node: AnyTensor, axis: number, size: number, positions: number): Value {
  const { kernel, stride, before, dilation } = windowOfNode(node)
  const data = arrayOf(node.dtype, new Array<number>(positions * size).fill(0))
  for (let p = 0; p < positions; p++) {
    for (let e = 0; e < kernel[axis]!; e++) {
      const at = p * stride[axis]! + e * dilation[axis]! - before[axis]!
      if (at >= 0 && at < size) data[p * size + at] = 1
    }
  }
  return emit.constant(node.dtype, [positions, size], data)
}

/** Sums over windows, or their transpose, one axis after the other: a window of ones is an outer product. */
function alongEachAxis(
  emit: Emitter,
  node: AnyTensor,
  x: Value,
  spatial: Shape,
  positions: Shape,
  transposed: boolean,
): Value {
  let y = x
  for (let axis = spatial.length - 1; axis >= 0; axis--) {
    const matrix = cover(emit, node, axis, spatial[axis]!, positions[axis]!)
    const shape = y.shape.with(axis + 2, transposed ? spatial[axis]! : positions[axis]!)
    const inner = sizeOf(y.shape.slice(axis + 3))
    if (inner === 1) {
      const rows = emit.reshape(y, [sizeOf(y.shape.slice(0, axis + 2)), y.shape[axis + 2]!])
      y = emit.reshape(product(emit, rows, matrix, { b: !transposed }), shape)
    } else {
      const rows = emit.reshape(y, [sizeOf(y.shape.slice(0, axis + 2)), y.shape[axis + 2]!, inner])
      y = emit.reshape(product(emit, matrix, rows, { a: transposed }), shape)
    }
  }
  return y
}

/** What each element weighs in the average at each position; `ofNone` is what stands where there are no elements. */
function shares(emit: Emitter, node: AnyTensor, spatial: Shape, ofNone: number): Value {
  const window = windowOfNode(node)
  const positions = windowPositions('avgPool', spatial, window)
  const elements = sizeOf(window.kernel)
  if (node.attributes.countPadding === true) return emit.scalar(node.dtype, 1 / elements)
  const index = windowIndex(spatial, positions, window)
  const counts = new Array<number>(sizeOf(positions)).fill(0)
  index.forEach((from, i) => {
    if (from >= 0) counts[Math.floor(i / elements)]!++
  })
  const weights = counts.map((count) => (count === 0 ? ofNone : 1 / count))
  return emit.constant(node.dtype, positions, arrayOf(node.dtype, weights))
}

const avgPool: Rule = (node, [x], { emit }) => {
  checkFloat(node)
  const window = windowOfNode(node)
  const spatial = x!.shape.slice(2)
  const padding = window.kernel.some((size, i) => window.before[i]! >= size || window.after[i]! >= size)
  const dilated = window.dilation.some((d) => d !== 1)
  if (node.dtype === 'float32' && !padding && !dilated && window.kernel.length > 0) {
    return emit.op('AveragePool', [x], node, {
      ...windowAttributes(window),
      count_include_pad: node.attributes.countPadding === true ? 1 : 0,
    })
  }
  const sums = alongEachAxis(emit, node, x!, spatial, node.shape.slice(2), false)
  return pointwise(emit, 'Mul', [sums, shares(emit, node, spatial, Infinity)])
}

const avgPoolVjp: Rule = (node, [g], { emit }) => {
  checkFloat(node)
  const spatial = node.shape.slice(2)
  const shared = pointwise(emit, 'Mul', [g!, shares(emit, node, spatial, 0)])
  return alongEachAxis(emit, node, shared, spatial, g!.shape.slice(2), true)
}

export const poolRules: Rules = { maxPool, maxPoolVjp, maxPoolJvp, avgPool, avgPoolVjp }
