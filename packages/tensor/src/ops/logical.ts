/** @file Logic on bools, and the comparisons that are composed of others. */
import { type DType } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { abs, equal, greater, less } from './elementwise.ts'
import { inferBinary, type Operand, pairwise } from './pointwise.ts'

/** Throws unless it is bool; other numbers are not taken for truth values by themselves. */
export function demandBool(name: string, dtype: DType): void {
  if (dtype !== 'bool')
    throw new DTypeError(name, `takes bool, not ${dtype}; compare, or use cast(x, 'bool')`)
}

const notOp: Op = {
  name: 'logicalNot',
  family: 'elementwise',
  infer: ([x]) => {
    demandBool('logicalNot', x!.dtype)
    return { shape: x!.shape, dtype: 'bool' }
  },
  kernel: ([x]) => Uint8Array.from(x!.data as Uint8Array, (value) => (value === 0 ? 1 : 0)),
}

function connective(name: string, compute: (a: number, b: number) => boolean): Op {
  return {
    name,
    family: 'elementwise',
    infer: (inputs) => {
      for (const { dtype } of inputs) demandBool(name, dtype)
      return inferBinary(name, inputs)
    },
    kernel: pairwise((a, b) => (compute(a as number, b as number) ? 1 : 0)),
  }
}

const andOp = connective('logicalAnd', (a, b) => a !== 0 && b !== 0)
const orOp = connective('logicalOr', (a, b) => a !== 0 || b !== 0)

export function logicalNot(x: Tensor<'bool'>): Tensor<'bool'> {
  return build(notOp, [x])
}
/** Both; the operands broadcast. */
export function logicalAnd(a: Tensor<'bool'>, b: Tensor<'bool'>): Tensor<'bool'> {
  return build(andOp, [a, b])
}
/** At least one; the operands broadcast. */
export function logicalOr(a: Tensor<'bool'>, b: Tensor<'bool'>): Tensor<'bool'> {
  return build(orOp, [a, b])
}
/** Exactly one; the operands broadcast. */
export function logicalXor(a: Tensor<'bool'>, b: Tensor<'bool'>): Tensor<'bool'> {
  demandTensors('logicalXor', a, b)
  for (const x of [a, b]) demandBool('logicalXor', x.dtype)
  return notEqual<'bool'>(a, b)
}

/** NaN is not equal to anything, itself included. */
export function notEqual<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return logicalNot(equal(a, b))
}
/** False where either is NaN. */
export function lessEqual<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return logicalOr(less(a, b), equal(a, b))
}
/** False where either is NaN. */
export function greaterEqual<D extends DType = 'float32'>(a: Operand<D>, b: Operand<D>): Tensor<'bool'> {
  return logicalOr(greater(a, b), equal(a, b))
}

export function isNaN(x: Tensor): Tensor<'bool'> {
  return notEqual(x, x)
}
/** Infinite, of either sign. */
export function isInfinite(x: Tensor): Tensor<'bool'> {
  return equal(abs(x), Infinity)
}
/** Neither infinite nor NaN. */
export function isFinite(x: Tensor): Tensor<'bool'> {
  demandTensors('isFinite', x)
  return less(abs(x), Infinity)
}
