/** @file Elementwise operators. */
import { type AnyTensor, constantData, type DType, isFloat } from '@beyondgrad/tensor'
import type { Emitter, Value } from './emitter.ts'
import { cast, pointwise } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

const unary =
  (opType: string): Rule =>
  (_node, [x], { emit }) =>
    pointwise(emit, opType, [x!])

const plain =
  (opType: string): Rule =>
  (_node, [a, b], { emit }) =>
    pointwise(emit, opType, [a!, b!])

/** ONNX Runtime orders numbers only. */
const comparison =
  (opType: string): Rule =>
  (_node, [a, b], { emit }) =>
    pointwise(emit, opType, [ordered(emit, a!), ordered(emit, b!)], 'bool')

const ordered = (emit: Emitter, x: Value): Value => (x.dtype === 'bool' ? cast(emit, x, 'int32') : x)

const div: Rule = (node, [a, b], { emit }) => {
  if (isFloat(node.dtype)) return pointwise(emit, 'Div', [a!, b!])
  // An integer division by zero would end the process.
  const quotient = pointwise(emit, 'Div', [cast(emit, a!, 'float64'), cast(emit, b!, 'float64')])
  return cast(emit, quotient, node.dtype)
}

const pow: Rule = (node, [a, b], { emit }) => {
  const exponent = singleNumber(node.inputs[1]!)
  // Only then does the result have the shape of the base.
  if (exponent !== undefined && b!.shape.length <= a!.shape.length && isFloat(node.dtype)) {
    if (exponent === 2) return pointwise(emit, 'Mul', [a!, a!])
    if (exponent === -1) return pointwise(emit, 'Reciprocal', [a!])
  }
  return pointwise(emit, 'Pow', [a!, b!])
}

const where: Rule = (node, [condition, a, b], { emit }) => {
  const relu = isPositive(node.inputs[0]!) && isFloat(node.dtype)
  if (relu && singleNumber(node.inputs[2]!) === 0 && covers(node, [condition!, a!])) {
    // The derivative of relu. A product of masks is several times faster than a selection, and equal to it where
    // `a` is finite; what overflowed becomes NaN.
    return pointwise(emit, 'Mul', [cast(emit, condition!, node.dtype), a!])
  }
  if (node.dtype === 'bool') {
    const other = pointwise(emit, 'Not', [condition!])
    const parts = [pointwise(emit, 'And', [condition!, a!]), pointwise(emit, 'And', [other, b!])]
    return pointwise(emit, 'Or', parts)
  }
  return pointwise(emit, 'Where', [condition!, a!, b!], node.dtype)
}

/** Whether these operands bring the full shape of the node. */
function covers(node: AnyTensor, operands: readonly Value[]): boolean {
  return node.shape.every((size, i) =>
    operands.some(({ shape }) => shape[i - node.shape.length + shape.length] === size),
  )
}

/** x > 0. */
function isPositive(node: AnyTensor): boolean {
  return node.op.name === 'greater' && singleNumber(node.inputs[1]!) === 0
}

/** The number that a constant of one element holds, also behind an expansion. */
export function singleNumber(node: AnyTensor): number | undefined {
  const source = node.op.name === 'expand' || node.op.name === 'reshape' ? node.inputs[0]! : node
  const data = constantData(source)
  return data?.length === 1 ? Number(data[0]) : undefined
}

export const elementwiseRules: Rules = {
  neg: unary('Neg'),
  abs: unary('Abs'),
  sign: unary('Sign'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  reciprocal: unary('Reciprocal'),
  tanh: unary('Tanh'),
  sigmoid: unary('Sigmoid'),
  relu: unary('Relu'),
  square: (_node, [x], { emit }) => pointwise(emit, 'Mul', [x!, x!]),
  add: plain('Add'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div,
  pow,
  maximum: plain('Max'),
  minimum: plain('Min'),
  equal: (_node, [a, b], { emit }) => pointwise(emit, 'Equal', [a!, b!], 'bool'),
  less: comparison('Less'),
  greater: comparison('Greater'),
  where,
  cast: (node, [x], { emit }) => cast(emit, x!, node.attributes.to as DType),
}
