/** @file Movement primitives: they copy elements and compute nothing. */
import { allocate, type DType } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { constantOf } from '../leaf.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import {
  broadcastShapes,
  checkExtent,
  checkList,
  checkShape,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  sameShape,
  type Shape,
  sizeOf,
  stridesOf,
} from '../shape.ts'
import { flip } from './flip.ts'
import { broadcastIndex } from './pointwise.ts'

const reshapeOp: Op = {
  name: 'reshape',
  family: 'movement',
  infer: ([x], attributes) => ({ shape: attributes.shape as Shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data,
}

const transposeOp: Op = {
  name: 'transpose',
  family: 'movement',
  infer: ([x], attributes) => ({
    shape: (attributes.permutation as readonly number[]).map((axis) => x!.shape[axis]!),
    dtype: x!.dtype,
  }),
  kernel: ([x], attributes, output) => {
    const strides = stridesOf(x!.shape)
    const steps = (attributes.permutation as readonly number[]).map((axis) => strides[axis]!)
    return gatherStrided(x!.data, output.dtype, output.shape, steps, 0)
  },
}

const expandOp: Op = {
  name: 'expand',
  family: 'movement',
  infer: ([x], attributes) => ({ shape: attributes.shape as Shape, dtype: x!.dtype }),
  kernel: ([x], _attributes, output) => {
    const index = broadcastIndex(x!.shape, output.shape)
    const target = allocate(output.dtype, index.length, 'float64')
    for (let i = 0; i < index.length; i++) target[i] = x!.data[index[i]!]!
    return target
  },
}

interface SliceAttributes {
  readonly starts: readonly number[]
  readonly counts: readonly number[]
  readonly steps: readonly number[]
}

const sliceOp: Op = {
  name: 'slice',
  family: 'movement',
  infer: ([x], attributes) => ({ shape: (attributes as unknown as SliceAttributes).counts, dtype: x!.dtype }),
  kernel: ([x], attributes, output) => {
    const { starts, steps } = attributes as unknown as SliceAttributes
    const strides = stridesOf(x!.shape)
    const offset = starts.reduce((at, start, axis) => at + start * strides[axis]!, 0)
    const by = steps.map((step, axis) => step * strides[axis]!)
    return gatherStrided(x!.data, output.dtype, output.shape, by, offset)
  },
}

const padOp: Op = {
  name: 'pad',
  family: 'movement',
  infer: ([x], attributes) => {
    const before = attributes.before as readonly number[]
    const after = attributes.after as readonly number[]
    return { shape: x!.shape.map((d, axis) => d + before[axis]! + after[axis]!), dtype: x!.dtype }
  },
  kernel: ([x], attributes, output) => {
    const before = attributes.before as readonly number[]
    const target = allocate(output.dtype, sizeOf(output.shape), 'float64')
    const value = attributes.value as number
    if (target instanceof BigInt64Array) target.fill(BigInt(value))
    else target.fill(value)
    scatterBlock(x!.data, x!.shape, target, output.shape, before)
    return target
  },
}

const concatOp: Op = {
  name: 'concat',
  family: 'movement',
  infer: (inputs, attributes) => {
    const axis = attributes.axis as number
    const [first] = inputs
    const shape = [...first!.shape]
    for (const x of inputs.slice(1)) {
      if (x.dtype !== first!.dtype) {
        throw new DTypeError('concat', `parts must have the same dtype, not ${first!.dtype} and ${x.dtype}`)
      }
      if (x.shape.length !== shape.length || x.shape.some((d, i) => i !== axis && d !== shape[i])) {
        throw new ShapeError(
          'concat',
          `${formatShape(first!.shape)} and ${formatShape(x.shape)} differ in an axis other than ${axis}`,
        )
      }
      shape[axis]! += x.shape[axis]!
    }
    return { shape, dtype: first!.dtype }
  },
  kernel: (inputs, attributes, output) => {
    const axis = attributes.axis as number
    const target = allocate(output.dtype, sizeOf(output.shape), 'float64')
    const at = output.shape.map(() => 0)
    for (const x of inputs) {
      scatterBlock(x.data, x.shape, target, output.shape, at)
      at[axis]! += x.shape[axis]!
    }
    return target
  },
}

type Data = ReturnType<typeof allocate>

function gatherStrided(
  source: Data,
  dtype: DType,
  shape: Shape,
  steps: readonly number[],
  offset: number,
): Data {
  const size = sizeOf(shape)
  const target = allocate(dtype, size, 'float64')
  const index = new Int32Array(shape.length)
  for (let i = 0, at = offset; i < size; i++) {
    target[i] = source[at]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!
      if (++index[axis]! < shape[axis]!) break
      at -= steps[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return target
}

/** Writes a block of shape `from` into a larger array, its first element at `at`. */
function scatterBlock(source: Data, from: Shape, target: Data, shape: Shape, at: readonly number[]): void {
  const strides = stridesOf(shape)
  let position = at.reduce((sum, start, axis) => sum + start * strides[axis]!, 0)
  const index = new Int32Array(from.length)
  const size = sizeOf(from)
  for (let i = 0; i < size; i++) {
    target[position] = source[i]!
    for (let axis = from.length - 1; axis >= 0; axis--) {
      position += strides[axis]!
      if (++index[axis]! < from[axis]!) break
      position -= strides[axis]! * from[axis]!
      index[axis] = 0
    }
  }
}

/** The same elements in row-major order under another shape; one size may be -1. */
export function reshape<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  demandTensors('reshape', x)
  checkList('reshape', 'the shape', shape)
  const open = shape.indexOf(-1)
  let resolved = shape
  if (open !== -1) {
    const known = shape.reduce((size, d, i) => (i === open ? size : size * d), 1)
    const rest = known === 0 ? 0 : sizeOf(x.shape) / known
    resolved = shape.map((d, i) => (i === open ? rest : d))
    if (!Number.isInteger(rest) || rest < 0 || shape.indexOf(-1, open + 1) !== -1) {
      throw new ShapeError('reshape', `${formatShape(x.shape)} does not fit into ${formatShape(shape)}`)
    }
  }
  checkShape('reshape', resolved)
  if (sizeOf(resolved) !== sizeOf(x.shape)) {
    throw new ShapeError(
      'reshape',
      `${formatShape(x.shape)} has ${sizeOf(x.shape)} elements, ${formatShape(resolved)} has ${sizeOf(resolved)}`,
    )
  }
  if (sameShape(x.shape, resolved)) return x
  // A reshape of a reshape is one reshape.
  const source = x.op.name === 'reshape' ? x.inputs[0]! : x
  if (sameShape(source.shape, resolved)) return source as Tensor<D>
  return build(reshapeOp, [source], { shape: resolved })
}

/** Reorders axes: axis i of the result is axis `permutation[i]` of x. Default: reversed. */
export function transpose<D extends DType>(x: Tensor<D>, permutation?: readonly number[]): Tensor<D> {
  demandTensors('transpose', x)
  const rank = x.shape.length
  if (permutation !== undefined) checkList('transpose', 'the permutation', permutation)
  const order =
    permutation?.map((axis) => normalizeAxis('transpose', axis, rank)) ??
    Array.from({ length: rank }, (_, i) => rank - 1 - i)
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new ShapeError(
      'transpose',
      `[${order.join(', ')}] does not reorder the ${rank} axes of ${formatShape(x.shape)}`,
    )
  }
  if (order.every((axis, i) => axis === i)) return x
  if (x.op.name === 'transpose') {
    const inner = x.attributes.permutation as readonly number[]
    return transpose(
      x.inputs[0] as Tensor<D>,
      order.map((axis) => inner[axis]!),
    )
  }
  return build(transposeOp, [x], { permutation: order })
}

/** Swaps the last two axes. */
export function transposeLast<D extends DType>(x: Tensor<D>): Tensor<D> {
  demandTensors('transposeLast', x)
  const rank = x.shape.length
  return transpose(x, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2])
}

/** Repeats axes of size 1 (and missing leading axes) to fill `shape`. */
export function expand<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  demandTensors('expand', x)
  checkShape('expand', shape)
  if (!sameShape(broadcastShapes('expand', x.shape, shape), shape)) {
    throw new ShapeError('expand', `${formatShape(x.shape)} does not expand to ${formatShape(shape)}`)
  }
  return sameShape(x.shape, shape) ? x : build(expandOp, [x], { shape })
}

/** New axes of size 1; `axes` count in the result. */
export function unsqueeze<D extends DType>(x: Tensor<D>, axes: readonly number[]): Tensor<D> {
  demandTensors('unsqueeze', x)
  checkList('unsqueeze', 'axes', axes)
  const rank = x.shape.length + axes.length
  const at = normalizeAxes('unsqueeze', axes, rank)
  const shape: number[] = []
  for (let i = 0, from = 0; i < rank; i++) shape.push(at.includes(i) ? 1 : x.shape[from++]!)
  return reshape(x, shape)
}

/**
 * Elements `start`, `start + step`, … before `end` along one axis; negative positions count from the end. A negative
 * step goes backwards, by default past the first element.
 */
export function slice<D extends DType>(
  x: Tensor<D>,
  axis: number,
  start: number,
  end?: number,
  step = 1,
): Tensor<D> {
  demandTensors('slice', x)
  const at = normalizeAxis('slice', axis, x.shape.length)
  const size = x.shape[at]!
  for (const position of [start, end ?? 0]) {
    if (!Number.isInteger(position) && position !== Infinity && position !== -Infinity) {
      throw new ShapeError('slice', `position ${position} is not an integer`)
    }
  }
  if (!Number.isInteger(step) || step === 0)
    throw new ShapeError('slice', `step ${step} is not an integer other than 0`)
  // Going backwards, the place before the first element is an end, too.
  const [least, most] = step > 0 ? [0, size] : [-1, size - 1]
  const clamp = (position: number) =>
    Math.min(Math.max(position < 0 ? position + size : position, least), most)
  const from = clamp(start)
  const to = end === undefined ? (step > 0 ? size : -1) : clamp(end)
  const count = Math.max(0, Math.ceil((to - from) / step))
  if (step > 0) return cut(x, at, from, count, step)
  // The last of them is the first one from the front.
  return flip(cut(x, at, count === 0 ? 0 : from + (count - 1) * step, count, -step), [at])
}

function cut<D extends DType>(
  x: Tensor<D>,
  axis: number,
  start: number,
  count: number,
  step: number,
): Tensor<D> {
  if (start === 0 && count === x.shape[axis] && (step === 1 || count === 0)) return x
  const zero = x.shape.map(() => 0)
  const starts = zero.with(axis, start)
  const counts = (x.shape as number[]).with(axis, count)
  const steps = zero.map(() => 1).with(axis, step)
  return build(sliceOp, [x], { starts, counts, steps })
}

/** Adds `before[i]` and `after[i]` elements of `value` around axis i. */
export function pad<D extends DType>(
  x: Tensor<D>,
  before: readonly number[],
  after: readonly number[],
  value = 0,
): Tensor<D> {
  demandTensors('pad', x)
  checkList('pad', 'amounts', before)
  checkList('pad', 'amounts', after)
  const rank = x.shape.length
  const amounts = [...before, ...after]
  if (amounts.length !== 2 * rank || amounts.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ShapeError(
      'pad',
      `[${before.join(', ')}] and [${after.join(', ')}] are not paddings of ${formatShape(x.shape)}`,
    )
  }
  return amounts.every((n) => n === 0) ? x : build(padOp, [x], { before, after, value })
}

/** Joins tensors along an axis that they all have. */
export function concat<D extends DType>(parts: readonly Tensor<D>[], axis: number): Tensor<D> {
  checkParts('concat', parts)
  const [first] = parts as readonly [Tensor<D>]
  const at = normalizeAxis('concat', axis, first.shape.length)
  return parts.length === 1 ? first : build(concatOp, parts, { axis: at })
}

function checkParts(op: string, parts: unknown): void {
  if (!Array.isArray(parts)) throw new ShapeError(op, `takes a list of tensors, not ${typeof parts}`)
  if (parts.length === 0) throw new ShapeError(op, 'there is nothing to join')
  demandTensors(op, ...(parts as unknown[]))
}

/** Joins tensors of one shape along a new axis. */
export function stack<D extends DType>(parts: readonly Tensor<D>[], axis = 0): Tensor<D> {
  checkParts('stack', parts)
  return concat(
    parts.map((x) => unsqueeze(x, [axis])),
    axis,
  )
}

/** A constant filled with one number. */
export function full(shape: Shape, value: number): Tensor {
  checkShape('full', shape)
  if (typeof value !== 'number') throw new DTypeError('full', `takes a number, not ${typeof value}`)
  return expand(constantOf(new Float64Array([value]), [], 'float32'), shape)
}

export function zeros(shape: Shape): Tensor {
  checkShape('zeros', shape)
  return full(shape, 0)
}

export function ones(shape: Shape): Tensor {
  checkShape('ones', shape)
  return full(shape, 1)
}

/** 0, 1, …, count - 1. */
export function iota(count: number): Tensor<'int32'> {
  checkShape('iota', [count])
  return constantOf(
    Int32Array.from({ length: count }, (_, i) => i),
    [count],
    'int32',
  )
}

/** The identity matrix. */
export function eye(size: number): Tensor {
  checkShape('eye', [size])
  checkExtent('eye', [size, size])
  const data = new Float64Array(size * size)
  for (let i = 0; i < size; i++) data[i * size + i] = 1
  return constantOf(data, [size, size], 'float32')
}
