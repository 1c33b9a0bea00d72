/**
 * @file What elementwise ops are made of: shape and dtype rules, broadcasting, and kernels that are exact on integers.
 * int32 wraps at 32 bits, int64 at 64.
 */
import { allocate, type DType, type HostArray, isFloat } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { constant } from '../leaf.ts'
import { type AnyTensor, build, demandTensors, type Tensor } from '../node.ts'
import type { Op, ReferenceKernel, Signature } from '../op.ts'
import { broadcastShapes, sameShape, type Shape, sizeOf, stridesOf } from '../shape.ts'

/** Number operands take the dtype of the tensor beside them. */
export type Operand<D extends DType = 'float32'> = Tensor<D> | number

type Scalar = number | bigint

/**
 * An op on integers: int64 elements are computed as bigints, int32 ones as numbers; what is stored wraps. Without
 * `int32`, the op on floats is exact for these, too.
 */
export interface Integers<N extends readonly number[], B extends readonly bigint[]> {
  readonly int64: (...x: B) => bigint
  readonly int32?: (...x: N) => number
}

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

/** An op on one operand; without `integers` it takes floats only. */
export function unary(
  name: string,
  compute: (x: number) => number,
  integers?: Integers<[number], [bigint]>,
): Op {
  return {
    name,
    family: 'elementwise',
    infer: ([x]) => {
      demandNumbers(name, x!.dtype, integers !== undefined)
      return { shape: x!.shape, dtype: x!.dtype }
    },
    kernel: ([x], _attributes, output) => {
      const source = x!.data
      const target = allocate(output.dtype, source.length, 'float64')
      const apply = forDType(output.dtype, compute, integers) as (x: Scalar) => Scalar
      for (let i = 0; i < source.length; i++) target[i] = apply(source[i]!)
      return target
    },
  }
}

/** An op on two operands that broadcast; without `integers` it takes floats only. */
export function binary(
  name: string,
  compute: (a: number, b: number) => number,
  integers?: Integers<[number, number], [bigint, bigint]>,
): Op {
  return {
    name,
    family: 'elementwise',
    infer: (inputs) => {
      const signature = inferBinary(name, inputs)
      demandNumbers(name, signature.dtype, integers !== undefined)
      return signature
    },
    kernel: (inputs, attributes, output) =>
      pairwise(forDType(output.dtype, compute, integers) as Pair)(inputs, attributes, output),
  }
}

/** An op on two operands of one dtype, any, that gives bools. */
export function comparison(name: string, compute: (a: Scalar, b: Scalar) => boolean): Op {
  return {
    name,
    family: 'elementwise',
    infer: (inputs) => ({ shape: inferBinary(name, inputs).shape, dtype: 'bool' }),
    kernel: pairwise((a, b) => (compute(a, b) ? 1 : 0)),
  }
}

type Pair = (a: Scalar, b: Scalar) => Scalar

/** A kernel that computes the result element by element from two operands that broadcast. */
export function pairwise(compute: Pair): ReferenceKernel {
  return ([a, b], _attributes, output): HostArray => {
    const size = sizeOf(output.shape)
    const target = allocate(output.dtype, size, 'float64')
    const x = a!.data
    const y = b!.data
    const at = sameShape(a!.shape, output.shape) ? undefined : broadcastIndex(a!.shape, output.shape)
    const bt = sameShape(b!.shape, output.shape) ? undefined : broadcastIndex(b!.shape, output.shape)
    for (let i = 0; i < size; i++) target[i] = compute(x[at ? at[i]! : i]!, y[bt ? bt[i]! : i]!)
    return target
  }
}

function forDType(
  dtype: DType,
  compute: unknown,
  integers: { readonly int64: unknown; readonly int32?: unknown } | undefined,
): unknown {
  if (dtype === 'int64') return integers!.int64
  return dtype === 'int32' ? (integers!.int32 ?? compute) : compute
}

function demandNumbers(name: string, dtype: DType, takesIntegers: boolean): void {
  if (isFloat(dtype) || (takesIntegers && dtype !== 'bool')) return
  const wanted = takesIntegers ? 'numbers' : 'floating-point numbers'
  throw new DTypeError(name, `takes ${wanted}, not ${dtype}; use cast()`)
}

/** The signature of two operands that broadcast and have one dtype. */
export function inferBinary(name: string, inputs: readonly AnyTensor[]): Signature {
  const [a, b] = inputs as [AnyTensor, AnyTensor]
  if (a.dtype !== b.dtype) {
    throw new DTypeError(name, `operands must have the same dtype, not ${a.dtype} and ${b.dtype}; use cast()`)
  }
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(name, a.shape, b.shape)
  return { shape, dtype: a.dtype }
}

/** Builds a node of two operands, of which numbers become constants. */
export function apply2<D extends DType>(op: Op, a: Operand<D>, b: Operand<D>): Tensor<D> {
  if (typeof a === 'number') {
    if (typeof b === 'number') return build(op, [constant(a), constant(b)])
    // Whatever else b is, the node says so.
    return build(op, [numberLike(op.name, a, (b as Tensor<D> | undefined)?.dtype ?? ('float32' as D)), b])
  }
  demandTensors(op.name, a)
  return build(op, [a, typeof b === 'number' ? numberLike(op.name, b, a.dtype) : b])
}

/** Numbers beyond which integers of a dtype don't go. */
const beyond: Partial<Record<DType, number>> = { int32: 2 ** 31, int64: 2 ** 63 }

/** A number beside a tensor; an integer tensor does not take fractions, nor what it can't hold, and bools are 0 or 1. */
export function numberLike<D extends DType>(op: string, value: number, dtype: D): Tensor<D> {
  if (dtype === 'bool' && value !== 0 && value !== 1) {
    throw new DTypeError(op, `${value} is neither 0 nor 1, but the tensor beside it is bool; use cast()`)
  }
  const end = beyond[dtype]
  if (end !== undefined && !(Number.isInteger(value) && value >= -end && value < end)) {
    throw new DTypeError(
      op,
      Number.isInteger(value)
        ? `${value} does not fit into ${dtype}, which the tensor beside it is; use cast(x, 'float32')`
        : `${value} is not an integer, but the tensor beside it is ${dtype}; use cast(x, 'float32')`,
    )
  }
  return constant(value, dtype)
}
