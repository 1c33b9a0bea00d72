/** @file Indexing and sorting operators. */
import { type AnyTensor, isFloat, type Shape, sizeOf } from '@beyondgrad/tensor'
import { expand, full } from './arrange.ts'
import { product } from './contract.ts'
import { arrayOf, type Emitter, type Value } from './emitter.ts'
import { cast, pointwise } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

const axisOf = (node: AnyTensor): number => node.attributes.axis as number

const gather: Rule = (node, [x, indices], { emit }) => {
  // Of single numbers it is the same; ONNX Runtime's Gather copies each as if it were a block.
  const opType = x!.shape.length === 1 && indices!.shape.length === 1 ? 'GatherElements' : 'Gather'
  return emit.op(opType, [x!, indices!], { shape: node.shape, dtype: node.dtype }, { axis: axisOf(node) })
}

const gatherElements: Rule = (node, [x, indices], { emit }) =>
  emit.op('GatherElements', [x!, indices!], { shape: node.shape, dtype: node.dtype }, { axis: axisOf(node) })

/** Adds updates where their indices, of the same shape, say. */
function scatterElements(emit: Emitter, updates: Value, indices: Value, axis: number, shape: Shape): Value {
  const zeros = full(emit, updates.dtype, shape, 0)
  const operands = [zeros, indices, updates]
  return emit.op('ScatterElements', operands, { shape, dtype: updates.dtype }, { axis, reduction: 'add' })
}

/**
 * Rows up to which a product with ones and zeros is quicker than element after element. It is equal where the updates
 * are finite; what overflowed becomes NaN in every row.
 */
const fewRows = 32

/**
 * ScatterND would add whole rows and be several times faster, but ONNX Runtime (1.30) runs it in parallel without regard
 * for indices that occur twice, and then loses updates. ScatterElements runs in one thread.
 */
const scatterAdd: Rule = (node, [updates, indices], { emit }) => {
  if (updates!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const axis = axisOf(node)
  const [outer, size, inner] = [
    sizeOf(node.shape.slice(0, axis)),
    node.shape[axis]!,
    sizeOf(node.shape.slice(axis + 1)),
  ]
  const count = sizeOf(indices!.shape)
  const shape = [outer, size, inner]
  const rows = emit.reshape(updates!, [outer, count, inner])
  if (isFloat(node.dtype) && size <= fewRows && inner > 1) {
    const places = emit.constant('int32', [size, 1], arrayOf('int32', [...Array(size).keys()]))
    const hits = pointwise(emit, 'Equal', [emit.reshape(indices!, [1, count]), places], 'bool')
    return emit.reshape(product(emit, cast(emit, hits, node.dtype), rows), node.shape)
  }
  const each = expand(emit, emit.reshape(indices!, [1, count, 1]), rows.shape)
  return emit.reshape(scatterElements(emit, rows, each, 1, shape), node.shape)
}

const scatterElementsAdd: Rule = (node, [updates, indices], { emit }) => {
  if (updates!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  return scatterElements(emit, updates!, indices!, axisOf(node), node.shape)
}

/** What stands for infinity where NaN must be larger: what single precision can't reach, or what hardly anybody does. */
const beyond = { float32: 1e300, float64: Number.MAX_VALUE }

/** Numbers that TopK orders as we do: it takes no NaN, for which infinity makes room, and no truth values. */
function ordered(emit: Emitter, x: Value): Value {
  if (x.dtype === 'bool') return cast(emit, x, 'int32')
  if (x.dtype !== 'float32' && x.dtype !== 'float64') return x
  const wide = cast(emit, x, 'float64')
  const finite = pointwise(emit, 'Min', [wide, emit.scalar('float64', beyond[x.dtype])])
  const isNaN = pointwise(emit, 'IsNaN', [wide], 'bool')
  return pointwise(emit, 'Where', [isNaN, emit.scalar('float64', Infinity), finite], 'float64')
}

const topIndices: Rule = (node, [x], { emit }) => {
  const { axis, k, largest } = node.attributes as { axis: number; k: number; largest: boolean }
  const keys = ordered(emit, x!)
  const [, indices] = emit.ops(
    'TopK',
    [keys, emit.ints([k])],
    [
      { shape: node.shape, dtype: keys.dtype },
      { shape: node.shape, dtype: 'int64' },
    ],
    { axis, largest: largest ? 1 : 0, sorted: 1 },
  )
  return cast(emit, indices!, 'int32')
}

const flip: Rule = (node, [x], { emit }) => {
  const { value, order } = emit.stored(x!)
  const axes = (node.attributes.axes as readonly number[]).map((axis) => order[axis]!)
  const all = (position: number): Value => emit.ints(axes.map(() => position))
  // Whatever the size is: from the last element past the first.
  const positions = [all(-1), all(-(2 ** 31)), emit.ints(axes), all(-1)]
  const result = { shape: value.shape, dtype: node.dtype }
  return emit.transpose(emit.op('Slice', [value, ...positions], result), order)
}

export const gatherRules: Rules = {
  gather,
  scatterAdd,
  gatherElements,
  scatterElementsAdd,
  topIndices,
  flip,
}
