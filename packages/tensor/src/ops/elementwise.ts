/** @file Elementwise primitives: unary, binary with broadcasting, comparison, selection, cast. */
import { allocate, checkDType, type DType, type HostArray, isFloat } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { constant } from '../leaf.ts'
import { type AnyTensor, build, type Tensor } from '../node.ts'
import type { Dense, Op, Signature } from '../op.ts'
import { broadcastShapes, sameShape, type Shape, sizeOf, stridesOf } from '../shape.ts'

/** Number operands take the dtype of the tensor beside them. */
export type Operand<D extends DType = 'float32'> = Tensor<D> | number

/** For each element of `shape`, the index of the element of a tensor of shape `from` that broadcasts to it. */
export function broadcastIndex(from: Shape, shape: Shape): Int32Array {
  const index = new Int32Array(sizeOf(shape))
  const strides = stridesOf(from)
  let block = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!
    const at = axis - (shape.length - from.length)
    const step = at < 0 || from[at] === 1 ? 0 : strides[at]!
    // The last `block` axes are filled at the front already; repeat them along this axis.
    for (let i = size - 1; i >= 0; i--) {
      const offset = i * step
      for (let j = 0; j < block; j++) index[i * block + j] = index[j]! + offset
    }
    block *= size
  }
  return index
}

function unary(name: string, compute: (x: number) => number): Op {
  return {
    name,
    family: 'elementwise',
    infer: ([x]) => {
      if (!isFloat(x!.dtype) && !['neg', 'abs', 'sign', 'square'].includes(name)) {
        throw new DTypeError(name, `takes floating-point numbers, not ${x!.dtype}; use cast()`)
      }
      return { shape: x!.shape, dtype: x!.dtype }
    },
    kernel: ([x], _attributes, output) => {
      const source = x!.data
      const target = allocate(output.dtype, source.length, 'float64')
      const integer = output.dtype === 'int64'
      for (let i = 0; i < source.length; i++) {
        const value = compute(Number(source[i]))
        target[i] = integer ? BigInt(value) : value
      }
      return target
    },
  }
}

function inferBinary(name: string, inputs: readonly AnyTensor[]): Signature {
  const [a, b] = inputs as [AnyTensor, AnyTensor]
  if (a.dtype !== b.dtype) {
    throw new DTypeError(name, `operands must have the same dtype, not ${a.dtype} and ${b.dtype}; use cast()`)
  }
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(name, a.shape, b.shape)
  return { shape, dtype: a.dtype }
}

function kernelBinary(
  compute: (a: number, b: number) => number,
): (inputs: readonly Dense[], attributes: unknown, output: Signature) => HostArray {
  return ([a, b], _attributes, output) => {
    const size = sizeOf(output.shape)
    const target = allocate(output.dtype, size, 'float64')
    const integer = output.dtype === 'int64'
    const x = a!.data
    const y = b!.data
    const at = sameShape(a!.shape, output.shape) ? undefined : broadcastIndex(a!.shape, output.shape)
    const bt = sameShape(b!.shape, output.shape) ? undefined : broadcastIndex(b!.shape, output.shape)
    for (let i = 0; i < size; i++) {
      const value = compute(Number(x[at ? at[i]! : i]), Number(y[bt ? bt[i]! : i]))
      target[i] = integer ? BigInt(value) : value
    }
    return target
  }
}

function binary(name: string, compute: (a: number, b: number) => number): Op {
  return {
    name,
    family: 'elementwise',
    infer: (inputs) => {
      const signature = inferBinary(name, inputs)
      if (signature.dtype === 'bool') throw new DTypeError(name, 'takes numbers, not bool; use cast()')
      return signature
    },
    kernel: kernelBinary(compute),
  }
}

function comparison(name: string, compute: (a: number, b: number) => boolean): Op {
  return {
    name,
    family: 'elementwise',
    infer: (inputs) => ({ shape: inferBinary(name, inputs).shape, dtype: 'bool' }),
    kernel: kernelBinary((a, b) => (compute(a, b) ? 1 : 0)),
  }
}

const negOp = unary('neg', (x) => -x)
const absOp = unary('abs', Math.abs)
const signOp = unary('sign', Math.sign)
const expOp = unary('exp', Math.exp)
const logOp = unary('log', Math.log)
const sqrtOp = unary('sqrt', Math.sqrt)
const squareOp = unary('square', (x) => x * x)
const reciprocalOp = unary('reciprocal', (x) => 1 / x)
const tanhOp = unary('tanh', Math.tanh)
const sigmoidOp = unary('sigmoid', (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))))
const reluOp = unary('relu', (x) => (x > 0 || x !== x ? x : 0))
const addOp = binary('add', (a, b) => a + b)
const subOp = binary('sub', (a, b) => a - b)
const mulOp = binary('mul', (a, b) => a * b)
const divOp = binary('div', (a, b) => a / b)
const powOp = binary('pow', Math.pow)
const maximumOp = binary('maximum', (a, b) => (a !== a || b !== b ? NaN : Math.max(a, b)))
const minimumOp = binary('minimum', (a, b) => (a !== a || b !== b ? NaN : Math.min(a, b)))
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

const castOp: Op = {
  name: 'cast',
  family: 'elementwise',
  infer: ([x], attributes) => ({ shape: x!.shape, dtype: attributes.to as DType }),
  kernel: ([x], _attributes, output) => {
    const source = x!.data
    const target = allocate(output.dtype, source.length, 'float64')
    for (let i = 0; i < source.length; i++) {
      const value = Number(source[i])
      if (output.dtype === 'bool') target[i] = value !== 0 ? 1 : 0
      else if (output.dtype === 'int64') target[i] = BigInt(Math.trunc(value))
      else target[i] = output.dtype === 'int32' ? Math.trunc(value) : value
    }
    return target
  },
}

function apply2<D extends DType>(op: Op, a: Operand<D>, b: Operand<D>): Tensor<D> {
  if (typeof a === 'number') {
    if (typeof b === 'number') return build(op, [constant(a), constant(b)])
    // Whatever else b is, the node says so.
    return build(op, [numberLike(op, a, (b as Tensor<D> | undefined)?.dtype ?? ('float32' as D)), b])
  }
  return build(op, [a, typeof b === 'number' ? numberLike(op, b, a.dtype) : b])
}

/** A number beside a tensor; an integer tensor does not take fractions. */
function numberLike<D extends DType>(op: Op, value: number, dtype: D): Tensor<D> {
  if ((dtype === 'int32' || dtype === 'int64') && !Number.isInteger(value)) {
    throw new DTypeError(
      op.name,
      `${value} is not an integer, but the tensor beside it is ${dtype}; use cast(x, 'float32')`,
    )
  }
  return constant(value, dtype)
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
export function div(a: Operand, b: Operand): Tensor {
  return apply2(divOp, a, b)
}
/** aᵇ. */
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
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : ('float32' as D)
  const operand = (x: Operand<D>) => (typeof x === 'number' ? numberLike(whereOp, x, dtype) : x)
  return build(whereOp, [condition, operand(a), operand(b)])
}
/** Converts elements: towards zero for integers, non-zero is true for bool. */
export function cast<D extends DType>(x: AnyTensor, to: D): Tensor<D> {
  if (x.dtype === to) return x as Tensor<D>
  checkDType('cast', to)
  return build(castOp, [x], { to })
}
