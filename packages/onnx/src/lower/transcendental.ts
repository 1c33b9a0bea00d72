/** @file Transcendental functions and rounding: ONNX has an operator for each. */
import { pointwise } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

const unary =
  (opType: string): Rule =>
  (_node, [x], { emit }) =>
    pointwise(emit, opType, [x!])

export const transcendentalRules: Rules = {
  sin: unary('Sin'),
  cos: unary('Cos'),
  tan: unary('Tan'),
  asin: unary('Asin'),
  acos: unary('Acos'),
  atan: unary('Atan'),
  sinh: unary('Sinh'),
  cosh: unary('Cosh'),
  asinh: unary('Asinh'),
  acosh: unary('Acosh'),
  atanh: unary('Atanh'),
  erf: unary('Erf'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
}
