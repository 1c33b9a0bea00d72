/** @file Elementwise arithmetic, comparison, selection and casts. */
import { allocate, checkDType, type DType, type HostArray } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { demandTensors, type AnyTensor, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { broadcastShapes, sizeOf } from '../shape.ts'
import {
  apply2,
  binary,
  broadcastIndex,
  comparison,
  inferBinary,
  numberLike,
  type Operand,
  unary,
} from './pointwise.ts'

const negOp = unary('neg', (x) => -x, { int64: (x) => -x })
const absOp = unary('abs', Math.abs, { int64: (x) => (x < 0n ? -x : x) })
const signOp = unary('sign', Math.sign, { int64: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n) })
const expOp = unary('exp', Math.exp)
const logOp = unary('log', Math.log)
const sqrtOp = unary('sqrt', Math.sqrt)
const squareOp = unary('square', (x) => x * x, { int64: (x) => x * x, int32: (x) => Math.imul(x, x) })
const reciprocalOp = unary('reciprocal', (x) => 1 / x)
const tanhOp = unary('tanh', Math.tanh)
const sigmoidOp = unary('sigmoid', (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))))
const reluOp = unary('relu', (x) => (x > 0 || x !== x ? x : 0))
const addOp = binary('add', (a, b) => a + b, { int64: (a, b) => a + b })
const subOp = binary('sub', (a, b) => a - b, { int64: (a, b) => a - b })
const mulOp = binary('mul', (a, b) => a * b, { int64: (a, b) => a * b, int32: Math.imul })
const divOp = binary('div', (a, b) => a / b, {
  int64: (a, b) => (b === 0n ? 0n : a / b),
  int32: (a, b) => (b === 0 ? 0 : a / b),
})
const powOp = binary('pow', Math.pow)
const maximumOp = binary('maximum', (a, b) => (a !== a || b !== b ? NaN : Math.max(a, b)), {
  int64: (a, b) => (a > b ? a : b),
})
const minimumOp = binary('minimum', (a, b) => (a !== a || b !== b ? NaN : Math.min(a, b)), {
  int64: (a, b) => (a < b ? a : b),
})
const equalOp = comparison('equal', (a, b) => a === b)
const lessOp = comparison('less', (a, b) => a < b)
const greaterOp = comparison('greater', (a, b) => a > b)

const whereOp: Op = {
  name: 'where',
  family: 'elementwise',
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== 'bool') {
      throw new DTypeError('where', `the condition must be bool, not ${condition!.dtype}`)
    }
    const { shape, dtype } = inferBinary('where', [a!, b!])
    return { shape: broadcastShapes('where', condition!.shape, shape), dtype }
  },
  kernel: ([condition, a, b], _attributes, output) => {
    const size = sizeOf(output.shape)
    const target = allocate(output.dtype, size, 'float64')
    const ct = broadcastIndex(condition!.shape, output.shape)
    const at = broadcastIndex(a!.shape, output.shape)
    const bt = broadcastIndex(b!.shape, output.shape)
    for (let i = 0; i < size; i++) target[i] = condition!.data[ct[i]!] ? a!.data[at[i]!]! : b!.data[bt[i]!]!
    return target
  },
}

const most32 = 2 ** 31 - 1
const most64 = 2n ** 63n - 1n

/** Towards zero, and to the nearest there is for what does not fit; NaN becomes 0. */
const toInt32 = (x: number): number => (x !== x ? 0 : Math.trunc(Math.min(Math.max(x, -most32 - 1), most32)))

function toInt64(x: number): bigint {
  if (x !== x) return 0n
  if (x >= 2 ** 63) return most64
  return x <= -(2 ** 63) ? -most64 - 1n : BigInt(Math.trunc(x))
}

const conversions: Readonly<Record<DType, (x: number | bigint) => number | bigint>> = {
  float32: Number,
  float64: Number,
  int32: (x) => (typeof x === 'bigint' ? Number(BigInt.asIntN(32, x)) : toInt32(x)),
  int64: (x) => (typeof x === 'bigint' ? x : toInt64(x)),
  bool: (x) => (Number(x) !== 0 ? 1 : 0),
}

const castOp: Op = {
  name: 'cast',
  family: 'elementwise',
  infer: ([x], attributes) => ({ shape: x!.shape, dtype: attributes.to as DType }),
  kernel: ([x], _attributes, output) => {
    const source: HostArray = x!.data
    const target = allocate(output.dtype, source.length, 'float64')
    const convert = conversions[output.dtype]
    for (let i = 0; i < source.length; i++) target[i] = convert(source[i]!)
    return target
  },
}

export function neg<D extends DType>(x: Tensor<D>): Tensor<D> {
  return build(negOp, [x])
}
export function abs<D extends DType>(x: Tensor<D>): Tensor<D> {
  return build(absOp, [x])
}
/** -1, 0 or 1. */
export function sign<D extends DType>(x: Tensor<D>): Tensor<D> {
  return build(signOp, [x])
}
export function exp(x: Tensor): Tensor {
  return build(expOp, [x])
}
/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return build(logOp, [x])
}
export function sqrt(x: Tensor): Tensor {
  return build(sqrtOp, [x])
}
export function square<D extends DType>(x: Tensor<D>): Tensor<D> {
  return build(squareOp, [x])
}
export function reciprocal(x: Tensor): Tensor {
  return build(reciprocalOp, [x])
}
export function tanh(x: Tensor): Tensor {
  return build(tanhOp, [x])
}
/** 1 / (1 + e⁻ˣ). */
export function sigmoid(x: Tensor): Tensor {
  return build(sigmoidOp, [x])
}
/** max(x, 0); its derivative at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return build(reluOp, [x])
}
export function add<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(addOp, a, b)
}
export function sub<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(subOp, a, b)
}
export function mul<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(mulOp, a, b)
}
/** Quotient. Integers are divided towards zero; an integer divided by 0 is 0. */
export function div<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(divOp, a, b)
}
/** aᵇ, of floating-point numbers. */
export function pow(a: Operand, b: Operand): Tensor {
  return apply2(powOp, a, b)
}
export function maximum<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(maximumOp, a, b)
}
export function minimum<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<D> {
  return apply2(minimumOp, a, b)
}
export function equal<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return apply2(equalOp, a, b) as unknown as Tensor<'bool'>
}
export function less<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return apply2(lessOp, a, b) as unknown as Tensor<'bool'>
}
export function greater<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return apply2(greaterOp, a, b) as unknown as Tensor<'bool'>
}
/** `a` where the condition holds, `b` elsewhere; all three broadcast. */
export function where<D extends DType = 'float32'>(
  condition: Tensor<'bool'>,
  a: Operand<D>,
  b: Operand<D>,
): Tensor<D> {
  for (const operand of [a, b]) if (typeof operand !== 'number') demandTensors('where', operand)
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : ('float32' as D)
  const operand = (x: Operand<D>) => (typeof x === 'number' ? numberLike('where', x, dtype) : x)
  return build(whereOp, [condition, operand(a), operand(b)])
}
/**
 * Converts elements: towards zero for integers, non-zero (NaN, too) is true for bool; int64 to int32 keeps the lowest
 * bits. A float that an integer type can't hold has no meaning in it: the reference engine takes the nearest there is,
 * and 0 for NaN; other engines give some integer.
 */
export function cast<D extends DType>(x: AnyTensor, to: D): Tensor<D> {
  demandTensors('cast', x)
  if (x.dtype === to) return x as Tensor<D>
  checkDType('cast', to)
  return build(castOp, [x], { to })
}
