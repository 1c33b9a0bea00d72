/** @file Reductions and cumulative sums. */
import { type AnyTensor, isFloat } from '@beyondgrad/tensor'
import { full } from './arrange.ts'
import type { Emitter, Value } from './emitter.ts'
import { without } from './layout.ts'
import { cast } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

function reduce(emit: Emitter, opType: string, x: Value, node: AnyTensor): Value {
  const axes = node.attributes.axes as readonly number[]
  const keep = node.attributes.keep === true
  if (opType !== 'ReduceSumSquare' && axes.every((axis) => x.shape[axis] === 1)) {
    return emit.reshape(x, node.shape)
  }
  const { value, order } = emit.stored(x)
  const over = axes.map((axis) => order[axis]!).sort((a, b) => a - b)
  const left = [...x.shape.keys()].filter((axis) => !axes.includes(axis))
  const shape = value.shape.flatMap((size, axis) => (over.includes(axis) ? (keep ? 1 : []) : size))
  const all = axes.length === x.shape.length
  const inputs = all ? [value] : [value, emit.ints(over)]
  const result = emit.op(opType, inputs, { shape, dtype: x.dtype }, { keepdims: keep ? 1 : 0 })
  return emit.transpose(result, keep ? order : without(order, left))
}

const sum: Rule = (node, [x], lowering) => {
  const { emit } = lowering
  if (x!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const isFloating = isFloat(node.dtype)
  if (emit.contrib && !isFloating) return exactSum(emit, x!, node)
  const of = node.inputs[0]!
  const root = squared(of)
  if (root !== undefined && isFloating && lowering.uses(of) === 1) {
    const base = lowering.value(root)
    if (isQuickerTogether(emit, base, node)) return reduce(emit, 'ReduceSumSquare', base, node)
  }
  return reduce(emit, 'ReduceSum', x!, node)
}

/** Above this many bytes squares of their own are not worth their memory. */
const manyBytes = 2 ** 25

/** ReduceSumSquare is quick where everything becomes one number; else the square and its sum are two to three times as fast. */
function isQuickerTogether(emit: Emitter, x: Value, node: AnyTensor): boolean {
  if (node.shape.every((size) => size === 1)) return true
  return 4 * x.shape.reduce((a, b) => a * b, 1) > manyBytes && sumsLastAxes(emit, x, node)
}

/** ONNX Runtime adds integers in double precision, but multiplies matrices of them exactly, and wraps. */
function exactSum(emit: Emitter, x: Value, node: AnyTensor): Value {
  const matrix = reducedLast(emit, x, node)
  const [rows, count] = matrix.shape as [number, number]
  const ones = full(emit, x.dtype, [count, 1], 1)
  return emit.reshape(emit.op('MatMul', [matrix, ones], { shape: [rows, 1], dtype: x.dtype }), node.shape)
}

/** A matrix [what stays, what is reduced]. */
function reducedLast(emit: Emitter, x: Value, node: AnyTensor): Value {
  const axes = node.attributes.axes as readonly number[]
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis))
  const sizes = (of: readonly number[]): number => of.reduce((size, axis) => size * x.shape[axis]!, 1)
  return emit.reshape(emit.transpose(x, [...kept, ...axes]), [sizes(kept), sizes(axes)])
}

/** The first largest or smallest of 64-bit integers, of which ONNX Runtime's reductions see the lower halves. */
function first(emit: Emitter, x: Value, node: AnyTensor, largest: boolean): { value: Value; index: Value } {
  const matrix = reducedLast(emit, x, node)
  const shape = [matrix.shape[0]!, 1]
  const results = [x.dtype, 'int64' as const].map((dtype) => ({ shape, dtype }))
  const attributes = { axis: 1, largest: Number(largest), sorted: 1 }
  const [value, index] = emit.ops('TopK', [matrix, emit.ints([1])], results, attributes)
  return { value: emit.reshape(value!, node.shape), index: emit.reshape(index!, node.shape) }
}

const extremum =
  (opType: string, largest: boolean): Rule =>
  (node, [x], { emit }) =>
    node.dtype === 'int64' ? first(emit, x!, node, largest).value : reduce(emit, opType, x!, node)

/** Whether the axes of a reduction are the last ones in memory. */
function sumsLastAxes(emit: Emitter, x: Value, node: AnyTensor): boolean {
  const axes = node.attributes.axes as readonly number[]
  const { order } = emit.stored(x)
  const kept = order.filter((_, axis) => x.shape[axis] !== 1 && !axes.includes(axis))
  const gone = order.filter((_, axis) => x.shape[axis] !== 1 && axes.includes(axis))
  return Math.max(...kept, -1) < Math.min(...gone, Infinity)
}

/** What a node is the square of. */
function squared(node: AnyTensor): AnyTensor | undefined {
  if (node.op.name === 'square') return node.inputs[0]
  const [a, b] = node.inputs
  return node.op.name === 'mul' && a === b ? a : undefined
}

const argmax: Rule = (node, [x], { emit }) => {
  const [axis] = node.attributes.axes as readonly number[]
  if (x!.dtype === 'int64') return cast(emit, first(emit, x!, node, true).index, 'int32')
  const of = x!.dtype === 'bool' ? cast(emit, x!, 'int32') : x!
  const index = emit.op(
    'ArgMax',
    [of],
    { shape: node.shape, dtype: 'int64' },
    { axis: axis!, keepdims: node.attributes.keep === true ? 1 : 0 },
  )
  return cast(emit, index, 'int32')
}

const cumsum: Rule = (node, [x], { emit }) => {
  const { axis, exclusive, reverse } = node.attributes
  const { value, order } = emit.stored(x!)
  const along = emit.scalar('int64', order[axis as number]!)
  const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) }
  const result = emit.op('CumSum', [value, along], { shape: value.shape, dtype: value.dtype }, attributes)
  return emit.transpose(result, order)
}

export const reduceRules: Rules = {
  sum,
  max: extremum('ReduceMax', true),
  min: extremum('ReduceMin', false),
  argmax,
  cumsum,
}
