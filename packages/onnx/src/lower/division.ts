/**
 * @file Division and remainders. Integers must never be divided by 0, nor the least of them by -1: on most processors
 * that ends the process.
 */
import { isFloat } from '@beyondgrad/tensor'
import type { Emitter, Value } from './emitter.ts'
import { singleNumber } from './number.ts'
import { pointwise } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

const isRisky = (divisor: number | undefined): boolean =>
  divisor === undefined || divisor === 0 || divisor === -1

/** Where an integer divides safely, as what it is; 1 elsewhere. */
interface Divisor {
  readonly risky: Value
  readonly safe: Value
}

function divisor(emit: Emitter, b: Value): Divisor {
  const isNumber = (value: number): Value =>
    pointwise(emit, 'Equal', [b, emit.scalar(b.dtype, value)], 'bool')
  const risky = pointwise(emit, 'Or', [isNumber(0), isNumber(-1)])
  const safe = pointwise(emit, 'Where', [risky, emit.scalar(b.dtype, 1), b], b.dtype)
  return { risky, safe }
}

const div: Rule = (node, [a, b], { emit }) => {
  if (isFloat(node.dtype) || !isRisky(singleNumber(node.inputs[1]!))) return pointwise(emit, 'Div', [a!, b!])
  const { risky, safe } = divisor(emit, b!)
  const quotient = pointwise(emit, 'Div', [a!, safe])
  // By 0 and -1 as well: 0, and the negative, which wraps.
  const factor = pointwise(emit, 'Where', [risky, b!, emit.scalar(b!.dtype, 1)], b!.dtype)
  return pointwise(emit, 'Mul', [quotient, factor])
}

const rem: Rule = (node, [a, b], { emit }) => {
  if (isFloat(node.dtype)) return pointwise(emit, 'Mod', [a!, b!], node.dtype, { fmod: 1 })
  // Any remainder by 1 is 0, which is also that by -1, and by definition that by 0.
  const by = isRisky(singleNumber(node.inputs[1]!)) ? divisor(emit, b!).safe : b!
  // ONNX Runtime computes fmod in double precision, which is too little for 64 bits.
  if (node.dtype === 'int32') return pointwise(emit, 'Mod', [a!, by], node.dtype, { fmod: 1 })
  const whole = pointwise(emit, 'Mul', [pointwise(emit, 'Div', [a!, by]), by])
  return pointwise(emit, 'Sub', [a!, whole])
}

export const divisionRules: Rules = { div, rem }
