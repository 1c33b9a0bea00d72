/**
 * @file The tensor: an immutable expression. A node knows its op, inputs, attributes, shape and dtype from the
 * moment it is built; nothing is computed until `read`, `evaluate` or a compiled function asks for it.
 */
import { checkDType, type DType, type NDArray } from './dtype.ts'
import { BeyondgradError, DTypeError } from './errors.ts'
import { readOne } from './evaluate.ts'
import { hashAttributes, hashNumber, hashString, mix } from './hash.ts'
import type { Attributes, Op } from './op.ts'
import { matmul } from './ops/contract.ts'
import { add, div, exp, log, mul, neg, pow, sqrt, square, sub, tanh } from './ops/elementwise.ts'
import { expand, reshape, slice, transpose } from './ops/movement.ts'
import { max, mean, sum } from './ops/reduce.ts'
import { checkExtent, checkShape, formatShape, type Shape, sizeOf } from './shape.ts'

/** The number of the protocol that packages speak to each other. Copies with the same number work together. */
export const protocol = 1

/** An n-dimensional array that will be computed when it is asked for. */
export interface Tensor<out D extends DType = 'float32'> {
  /** The protocol number, as a string key: two copies of this package accept each other's tensors. */
  readonly '~beyondgrad': 1
  readonly op: Op
  readonly inputs: readonly AnyTensor[]
  readonly attributes: Attributes
  readonly shape: Shape
  readonly dtype: D
  /** Hash of everything but the inputs. */
  readonly key: number
  /** Structural hash; equal expressions over the same leaves have equal hashes. */
  readonly hash: number

  add(other: Tensor | number): Tensor
  sub(other: Tensor | number): Tensor
  mul(other: Tensor | number): Tensor
  div(other: Tensor | number): Tensor
  pow(exponent: Tensor | number): Tensor
  neg(): Tensor
  exp(): Tensor
  log(): Tensor
  sqrt(): Tensor
  square(): Tensor
  tanh(): Tensor
  matmul(other: Tensor): Tensor
  /** Sums over `axes` (default: all); `keep` leaves them as axes of size 1. */
  sum(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor
  mean(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor
  max(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor
  /** One size may be -1: it is what is left over. */
  reshape(shape: Shape): Tensor<D>
  /** Reorders the axes; without an argument, reverses them. */
  transpose(permutation?: readonly number[]): Tensor<D>
  expand(shape: Shape): Tensor<D>
  slice(axis: number, start: number, end?: number, step?: number): Tensor<D>

  /** Computes this tensor alone with the current engine. For several tensors, `evaluate` them together. */
  read(): Promise<NDArray<D>>
  /** Computes this tensor, which has one element, as a number. */
  item(): Promise<number>
}

/** A tensor of any element type. */
export type AnyTensor = Tensor<DType>

class Node implements Tensor<DType> {
  readonly '~beyondgrad' = protocol
  readonly op: Op
  readonly inputs: readonly AnyTensor[]
  readonly attributes: Attributes
  readonly shape: Shape
  readonly dtype: DType
  readonly key: number
  readonly hash: number

  constructor(op: Op, inputs: readonly AnyTensor[], attributes: Attributes, shape: Shape, dtype: DType) {
    this.op = op
    this.inputs = inputs
    this.attributes = attributes
    this.shape = shape
    this.dtype = dtype
    let hash = hashAttributes(opHash(op), attributes)
    for (let i = 0; i < shape.length; i++) hash = hashNumber(hash, shape[i]!)
    this.key = hash
    for (let i = 0; i < inputs.length; i++) hash = mix(hash, inputs[i]!.hash)
    this.hash = hash
  }

  add(other: Tensor | number): Tensor {
    return add(this.float('add'), other)
  }
  sub(other: Tensor | number): Tensor {
    return sub(this.float('sub'), other)
  }
  mul(other: Tensor | number): Tensor {
    return mul(this.float('mul'), other)
  }
  div(other: Tensor | number): Tensor {
    return div(this.float('div'), other)
  }
  pow(exponent: Tensor | number): Tensor {
    return pow(this.float('pow'), exponent)
  }
  neg(): Tensor {
    return neg(this.float('neg'))
  }
  exp(): Tensor {
    return exp(this.float('exp'))
  }
  log(): Tensor {
    return log(this.float('log'))
  }
  sqrt(): Tensor {
    return sqrt(this.float('sqrt'))
  }
  square(): Tensor {
    return square(this.float('square'))
  }
  tanh(): Tensor {
    return tanh(this.float('tanh'))
  }
  matmul(other: Tensor): Tensor {
    return matmul(this.float('matmul'), other)
  }
  sum(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor {
    return sum(this.float('sum'), axes, options)
  }
  mean(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor {
    return mean(this.float('mean'), axes, options)
  }
  max(axes?: readonly number[], options?: { readonly keep?: boolean }): Tensor {
    return max(this.float('max'), axes, options)
  }
  reshape(shape: Shape): AnyTensor {
    return reshape(this, shape)
  }
  transpose(permutation?: readonly number[]): AnyTensor {
    return transpose(this, permutation)
  }
  expand(shape: Shape): AnyTensor {
    return expand(this, shape)
  }
  slice(axis: number, start: number, end?: number, step?: number): AnyTensor {
    return slice(this, axis, start, end, step)
  }
  read(): Promise<NDArray<DType>> {
    return readOne(this)
  }
  item(): Promise<number> {
    if (sizeOf(this.shape) !== 1) {
      throw new BeyondgradError(
        'shape',
        `item: a tensor of shape ${formatShape(this.shape)} is not one number`,
      )
    }
    return readOne(this, 'item').then(({ data }) => Number(data[0]))
  }

  private float(method: string): Tensor {
    if (this.dtype === 'bool') throw new DTypeError(method, 'takes numbers, not bool; use cast() first')
    return this as unknown as Tensor
  }
}

const opHashes = /* @__PURE__ */ new WeakMap<Op, number>()

function opHash(op: Op): number {
  let hash = opHashes.get(op)
  if (hash === undefined) opHashes.set(op, (hash = hashString(17, op.name)))
  return hash
}

const noAttributes: Attributes = /* @__PURE__ */ Object.freeze({})

/** Builds a node; the op's shape rule checks the inputs. */
export function build<D extends DType = 'float32'>(
  op: Op,
  inputs: readonly AnyTensor[],
  attributes: Attributes = noAttributes,
): Tensor<D> {
  demandTensors(op.name, ...inputs)
  const { shape, dtype } = op.infer!(inputs, attributes)
  checkExtent(op.name, shape)
  return new Node(op, inputs, attributes, shape, dtype) as unknown as Tensor<D>
}

/** Throws unless all operands are tensors: plain JavaScript may bring anything. The check is one property. */
export function demandTensors(op: string, ...operands: readonly unknown[]): void {
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i] as Partial<AnyTensor> | null | undefined
    if (operand?.['~beyondgrad'] !== protocol) throw notTensor(op, i, operand)
  }
}

function notTensor(op: string, i: number, input: unknown): Error {
  // A tensor of another protocol is told so by name.
  isTensor(input)
  return new DTypeError(op, `operand ${i} must be a tensor, not ${input === null ? 'null' : typeof input}`)
}

/** Builds a leaf, which states its own signature. */
export function buildLeaf<D extends DType>(
  op: Op,
  attributes: Attributes,
  shape: Shape,
  dtype: D,
): Tensor<D> {
  checkShape(op.name, shape)
  checkDType(op.name, dtype)
  return new Node(op, [], attributes, shape, dtype) as unknown as Tensor<D>
}

/** The same node over other inputs of the same signatures; itself if they are its own. */
export function withInputs(node: AnyTensor, inputs: readonly AnyTensor[]): AnyTensor {
  if (inputs.length === node.inputs.length && inputs.every((x, i) => x === node.inputs[i])) return node
  return new Node(node.op, inputs, node.attributes, node.shape, node.dtype)
}

/** Whether a value is a tensor of this protocol; a tensor of another protocol number is an error that names both. */
export function isTensor(value: unknown): value is AnyTensor {
  if (typeof value !== 'object' || value === null || !('~beyondgrad' in value)) return false
  const found = value['~beyondgrad']
  if (found === protocol) return true
  throw new BeyondgradError(
    'protocol',
    `this tensor speaks protocol ${String(found)}, this copy of @beyondgrad/tensor protocol ${protocol}: install versions of the @beyondgrad packages that belong together`,
  )
}
