/** @file Arithmetic, powers, and functions of single elements. */
import {
  abs,
  acos,
  acosh,
  add,
  type AnyTensor,
  asin,
  asinh,
  atan,
  atanh,
  cast,
  ceil,
  cos,
  cosh,
  div,
  erf,
  exp,
  floor,
  isFloat,
  log,
  logSigmoid,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  pow,
  reciprocal,
  rem,
  round,
  sigmoid,
  sign,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  tan,
  tanh,
  type Tensor,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable, type OperatorVersion } from '../operator.ts'
import { operands } from './broadcast.ts'

type Numbers = Tensor

const unary = (apply: (x: Tensor) => Tensor): OperatorVersion[] => operator((call) => apply(call.float(0)))

/** On integers, too. */
const exact = (apply: (x: Numbers) => Numbers): OperatorVersion[] => operator((call) => apply(call.number(0)))

const binary = (apply: (a: Numbers, b: Numbers) => Numbers): OperatorVersion[] =>
  operator((call) => {
    const [a, b] = operands(call)
    return apply(a as Numbers, b as Numbers)
  })

/** Any number of operands. */
const variadic = (apply: (a: Numbers, b: Numbers) => Numbers): OperatorVersion[] =>
  operator((call) => (call.all() as Numbers[]).reduce(apply))

/** What the powers of most models are, by ops that are quicker and have simpler derivatives. */
function power(call: OperatorCall): AnyTensor {
  const [a, b] = operands(call)
  if (!isFloat(a.dtype)) {
    const result = pow(cast(a, 'float32'), cast(b, 'float32'))
    // The nearest integer: powers of floats may fall short of it.
    return cast(round(result), a.dtype)
  }
  const exponent = call.contentIfKnown(1)
  const same =
    exponent?.data.length === 1 && b.shape.length <= a.shape.length ? Number(exponent.data[0]) : undefined
  const base = a as Tensor
  if (same === 1) return base
  if (same === 2) return square(base)
  return pow(base, same ?? cast(b, 'float32'))
}

/** How exporters write log σ: as one function it neither underflows nor counts as two for what goes op by op. */
function logarithm(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  return x.op.name === 'sigmoid' ? logSigmoid(x.inputs[0] as Tensor) : log(x)
}

export const arithmetic: OperatorTable = {
  Abs: exact(abs),
  Acos: unary(acos),
  Acosh: unary(acosh),
  Add: binary(add),
  Asin: unary(asin),
  Asinh: unary(asinh),
  Atan: unary(atan),
  Atanh: unary(atanh),
  Ceil: unary(ceil),
  Cos: unary(cos),
  Cosh: unary(cosh),
  Div: binary(div),
  Erf: unary(erf),
  Exp: unary(exp),
  Floor: unary(floor),
  Log: operator(logarithm),
  Max: variadic(maximum),
  Mean: operator((call) => {
    const all = call.all() as Tensor[]
    return mul(all.reduce(add), 1 / all.length)
  }),
  Min: variadic(minimum),
  Mod: operator((call) => {
    const [a, b] = [call.number(0), call.number(1)]
    return call.attributes.flag('fmod') ? rem(a, b) : mod(a, b)
  }),
  Mul: binary(mul),
  Neg: exact(neg),
  Pow: operator(power, { settings: [1] }),
  Reciprocal: unary(reciprocal),
  Round: unary(round),
  Sigmoid: unary(sigmoid),
  Sign: exact(sign),
  Sin: unary(sin),
  Sinh: unary(sinh),
  Sqrt: unary(sqrt),
  Sub: binary(sub),
  Sum: variadic(add),
  Tan: unary(tan),
  Tanh: unary(tanh),
}
