/** @file Elementwise arithmetic, selection and casts. */
import { type AnyTensor, type DType, isFloat, sameShape, type Shape } from '@beyondgrad/tensor'
import { affine } from './contract.ts'
import { convolution, isNative } from './convolution.ts'
import type { Value } from './emitter.ts'
import { singleNumber } from './number.ts'
import { cast, pointwise } from './pointwise.ts'
import type { Lowering, Rule, Rules } from './rule.ts'

const unary =
  (opType: string): Rule =>
  (_node, [x], { emit }) =>
    pointwise(emit, opType, [x!])

const plain =
  (opType: string): Rule =>
  (_node, [a, b], { emit }) =>
    pointwise(emit, opType, [a!, b!])

/** A bias is added by the product or convolution that it follows. */
const add: Rule = (node, [a, b], lowering) => {
  return biased(node, 0, lowering) ?? biased(node, 1, lowering) ?? pointwise(lowering.emit, 'Add', [a!, b!])
}

function biased(node: AnyTensor, at: 0 | 1, lowering: Lowering): Value | undefined {
  const [of, bias] = [node.inputs[at]!, lowering.value(node.inputs[1 - at]!)]
  if (!sameShape(of.shape, node.shape) || lowering.uses(of) !== 1) return undefined
  const { emit } = lowering
  const operands = of.inputs.map((input) => lowering.value(input))
  if (isNative(of) && isAlong(bias.shape, of.shape, 1)) {
    const flat = emit.reshape(bias, [of.shape[1]!])
    return convolution(emit, of, operands[0]!, operands[1]!, flat)
  }
  if (of.op.name === 'matmul' && of.shape.length === 2 && isAlong(bias.shape, of.shape, 1)) {
    return affine(emit, operands[0]!, operands[1]!, emit.reshape(bias, [of.shape[1]!]))
  }
  return undefined
}

/** Whether a shape that broadcasts to `whole` has all its elements along one axis, and as many as that. */
function isAlong(shape: Shape, whole: Shape, axis: number): boolean {
  const at = axis - (whole.length - shape.length)
  return shape.every((size, i) => size === (i === at ? whole[axis] : 1)) && at >= 0
}

/** ONNX Runtime takes the sign of the lower half of 64 bits. */
const sign: Rule = (node, [x], { emit }) => {
  if (node.dtype !== 'int64') return pointwise(emit, 'Sign', [x!])
  const compared = (opType: string): Value =>
    cast(emit, pointwise(emit, opType, [x!, emit.scalar('int64', 0)], 'bool'), 'int64')
  return pointwise(emit, 'Sub', [compared('Greater'), compared('Less')])
}

/** ONNX Runtime compares the lower halves of 64 bits in its `Max` and `Min`, but all of them in its comparisons. */
const extremum =
  (opType: string, comparison: string): Rule =>
  (node, [a, b], { emit }) => {
    if (node.dtype !== 'int64') return pointwise(emit, opType, [a!, b!])
    const chosen = pointwise(emit, comparison, [a!, b!], 'bool')
    return pointwise(emit, 'Where', [chosen, a!, b!], 'int64')
  }

const pow: Rule = (node, [a, b], { emit }) => {
  const exponent = singleNumber(node.inputs[1]!)
  // Only then does the result have the shape of the base.
  if (exponent !== undefined && b!.shape.length <= a!.shape.length) {
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

export const elementwiseRules: Rules = {
  neg: unary('Neg'),
  abs: unary('Abs'),
  sign,
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  reciprocal: unary('Reciprocal'),
  tanh: unary('Tanh'),
  sigmoid: unary('Sigmoid'),
  relu: unary('Relu'),
  square: (_node, [x], { emit }) => pointwise(emit, 'Mul', [x!, x!]),
  add,
  sub: plain('Sub'),
  mul: plain('Mul'),
  pow,
  maximum: extremum('Max', 'Greater'),
  minimum: extremum('Min', 'Less'),
  where,
  cast: (node, [x], { emit }) => cast(emit, x!, node.attributes.to as DType),
}
