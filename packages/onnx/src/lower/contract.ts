/** @file Matrix products. A transpose of the last two axes is read in place, not carried out. */
import { type AnyTensor, broadcastShapes, type Shape, sizeOf } from '@beyondgrad/tensor'
import { full, lastSwapped, transposeLast } from './arrange.ts'
import { contribDomain, type Emitter, type Value } from './emitter.ts'
import type { Rule, Rules } from './rule.ts'

/** Which operands of a product are stored with their last two axes swapped. */
export interface Transposed {
  readonly a?: boolean
  readonly b?: boolean
}

/** The product over the last two axes; the axes before them broadcast. */
export function product(emit: Emitter, a: Value, b: Value, transposed: Transposed = {}): Value {
  const { a: ta = false, b: tb = false } = transposed
  const rows = a.shape.at(ta ? -1 : -2)!
  const inner = a.shape.at(ta ? -2 : -1)!
  const columns = b.shape.at(tb ? -2 : -1)!
  const batchA = a.shape.slice(0, -2)
  const batchB = b.shape.slice(0, -2)
  const batch = broadcastShapes('matmul', batchA, batchB)
  const shape = [...batch, rows, columns]
  const { dtype } = a
  if (shape.includes(0) || inner === 0) return full(emit, dtype, shape, 0)
  const flatB = sizeOf(batchB) === 1
  if (flatB && sizeOf(batchA) === 1) {
    const [x, y] = [matrix(emit, a), matrix(emit, b)]
    const result = { shape: [rows, columns], dtype }
    const flat =
      ta || tb
        ? emit.op('Gemm', [x, y], result, { transA: Number(ta), transB: Number(tb) })
        : emit.op('MatMul', [x, y], result)
    return emit.reshape(flat, shape)
  }
  if (flatB && !ta) {
    // One matrix on the right: the batch is more rows.
    const x = emit.reshape(a, [sizeOf(batchA) * rows, inner])
    return emit.reshape(product(emit, x, matrix(emit, b), { b: tb }), shape)
  }
  if (emit.contrib && dtype === 'float32' && (ta || tb)) {
    return emit.op(
      'FusedMatMul',
      [a, b],
      { shape, dtype },
      { transA: Number(ta), transB: Number(tb) },
      contribDomain,
    )
  }
  const x = ta ? transposeLast(emit, a) : a
  const y = tb ? transposeLast(emit, b) : b
  return emit.op('MatMul', [x, y], { shape, dtype })
}

function matrix(emit: Emitter, x: Value): Value {
  return emit.reshape(x, x.shape.slice(-2))
}

const matmul: Rule = (node, _inputs, lowering) => {
  const [a, b] = node.inputs.map((input) => operand(input))
  return product(lowering.emit, lowering.value(a!.node), lowering.value(b!.node), {
    a: a!.swapped,
    b: b!.swapped,
  })
}

/** An operand, or what it is the transpose of. */
function operand(node: AnyTensor): { readonly node: AnyTensor; readonly swapped: boolean } {
  if (node.op.name === 'transpose') {
    const permutation = node.attributes.permutation as Shape
    if (lastSwapped(permutation.length).every((axis, i) => axis === permutation[i])) {
      return { node: node.inputs[0]!, swapped: true }
    }
  }
  return { node, swapped: false }
}

export const contractRules: Rules = { matmul }
