/** @file Reductions and cumulative sums. */
import type { AnyTensor } from '@beyondgrad/tensor'
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
  const of = node.inputs[0]!
  const root = squared(of)
  const isFloating = of.dtype === 'float32' || of.dtype === 'float64'
  if (root !== undefined && isFloating && lowering.uses(of) === 1) {
    const base = lowering.value(root)
    // Over other axes ReduceSumSquare is slower than the square and its sum.
    if (sumsLastAxes(emit, base, node)) return reduce(emit, 'ReduceSumSquare', base, node)
  }
  return reduce(emit, 'ReduceSum', x!, node)
}

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
  max: (node, [x], { emit }) => reduce(emit, 'ReduceMax', x!, node),
  min: (node, [x], { emit }) => reduce(emit, 'ReduceMin', x!, node),
  argmax,
  cumsum,
}
