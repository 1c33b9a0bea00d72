/**
 * @file Graph simplification before a graph is handed to an engine: constants are folded, broadcasts that the next
 * op does by itself are dropped, arithmetic with 0 and 1 goes.
 */
import { rewrite } from './graph.ts'
import { constantData, constantOf } from './leaf.ts'
import { type AnyTensor, withInputs } from './node.ts'
import { reshape } from './ops/movement.ts'
import { broadcastShapes, sameShape, type Shape, sizeOf } from './shape.ts'

/** Larger results of constant sub-graphs stay expressions: the graph should not grow by folding. */
const foldLimit = 4096

export function simplify(outputs: readonly AnyTensor[]): AnyTensor[] {
  return rewrite(outputs, (node) => fold(neutral(dropBroadcasts(node))))
}

function fold(node: AnyTensor): AnyTensor {
  const { kernel, family } = node.op
  if (kernel === undefined || family === 'leaf' || node.inputs.length === 0) return node
  if (sizeOf(node.shape) > foldLimit) return node
  const data = node.inputs.map(constantData)
  if (data.some((d) => d === undefined)) return node
  const dense = node.inputs.map((input, i) => ({ shape: input.shape, dtype: input.dtype, data: data[i]! }))
  return constantOf(kernel(dense, node.attributes, node), node.shape, node.dtype)
}

/** An operand of an elementwise op need not be expanded when the others bring the full shape. */
function dropBroadcasts(node: AnyTensor): AnyTensor {
  if (node.op.family !== 'elementwise' || node.inputs.length < 2) return node
  const inputs = [...node.inputs]
  let changed = false
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i]!.op.name !== 'expand') continue
    const inner = inputs[i]!.inputs[0]!
    const shapes = inputs.map((input, j) => (j === i ? inner.shape : input.shape))
    if (
      !sameShape(
        shapes.reduce((a, b) => broadcastShapes(node.op.name, a, b)),
        node.shape,
      )
    )
      continue
    inputs[i] = inner
    changed = true
  }
  return changed ? withInputs(node, inputs) : node
}

function neutral(node: AnyTensor): AnyTensor {
  const { name } = node.op
  const [operand] = node.inputs
  if (name === 'neg' && operand!.op.name === 'neg') return operand!.inputs[0]!
  if (name === 'neg' && operand!.op.name === 'sub')
    return withInputs(operand!, [...operand!.inputs].reverse())
  if (name === 'square' && operand!.op.name === 'neg') return withInputs(node, operand!.inputs)
  if (node.inputs.length !== 2) return node
  const [a, b] = node.inputs as [AnyTensor, AnyTensor]
  if (name === 'mul' || name === 'div') {
    if (isAll(b, 1)) return like(a, node.shape) ?? node
    if (name === 'mul' && isAll(a, 1)) return like(b, node.shape) ?? node
  }
  if (name === 'add' || name === 'sub') {
    if (isAll(b, 0)) return like(a, node.shape) ?? node
    if (name === 'add' && isAll(a, 0)) return like(b, node.shape) ?? node
  }
  return node
}

function isAll(node: AnyTensor, value: number): boolean {
  const source = node.op.name === 'expand' || node.op.name === 'reshape' ? node.inputs[0]! : node
  const data = constantData(source)
  return data?.length === 1 && Number(data[0]) === value
}

function like(node: AnyTensor, shape: Shape): AnyTensor | undefined {
  return sizeOf(node.shape) === sizeOf(shape) ? reshape(node, shape) : undefined
}
