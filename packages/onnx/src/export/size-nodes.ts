/** @file Operators that compute shapes and numbers from the sizes of the free axes, when the model runs. */
import { create } from '@bufbuild/protobuf'
import type { DType, HostArray } from '@beyondgrad/tensor'
import { attributeProtos, type NodeAttributes } from '../attribute.ts'
import { arrayOf } from '../lower/emitter.ts'
import { NodeProtoSchema, type NodeProto, type TensorProto } from '../proto/onnx_pb.ts'
import { elementType, rawData, tensorProto } from '../tensor-proto.ts'
import { type Formula, isConstant, sameFormula } from './formula.ts'

/** Where the size of a free axis is read off: an axis of an input. */
export interface FreeAxis {
  readonly name: string
  readonly input: string
  readonly axis: number
}

/** Names of the model's values; none is given twice. */
export class Names {
  readonly #taken: Set<string>

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken)
  }

  /** `wanted`, or if that is taken `wanted` with a number. */
  claim(wanted: string): string {
    let name = wanted
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}.${i}`
    this.#taken.add(name)
    return name
  }

  fresh(prefix: string): string {
    let i = 0
    while (this.#taken.has(`${prefix}${i}`)) i++
    return this.claim(`${prefix}${i}`)
  }
}

/** The constants of the model; equal ones are stored once. */
export class Constants {
  readonly protos: TensorProto[] = []
  readonly #names: Names
  readonly #byKind = new Map<string, TensorProto[]>()

  constructor(names: Names) {
    this.#names = names
  }

  /** The name of a stored tensor with this content. `wanted` is its name if it is not there yet. */
  add(proto: TensorProto, wanted?: string): string {
    const kind = `${proto.dataType}[${proto.dims.join()}]${proto.rawData.length}`
    let candidates = this.#byKind.get(kind)
    if (candidates === undefined) this.#byKind.set(kind, (candidates = []))
    const same = candidates.find(({ rawData: other }) => equalBytes(other, proto.rawData))
    if (same !== undefined) return same.name
    const name = wanted === undefined ? this.#names.fresh('_c') : this.#names.claim(wanted)
    const stored = { ...proto, name }
    candidates.push(stored)
    this.protos.push(stored)
    return name
  }

  of(dtype: DType, shape: readonly number[], data: HostArray): string {
    return this.add(tensorProto('', dtype, shape, rawData('constant', dtype, shape, data)))
  }

  ints(values: readonly number[]): string {
    return this.of('int64', [values.length], arrayOf('int64', values))
  }
}

/** Every method returns the name of a value; the same value is computed once. */
export class SizeNodes {
  readonly nodes: NodeProto[] = []
  readonly #axes: readonly FreeAxis[]
  readonly #names: Names
  readonly #constants: Constants
  readonly #known = new Map<string, string>()

  constructor(axes: readonly FreeAxis[], names: Names, constants: Constants) {
    this.#axes = axes
    this.#names = names
    this.#constants = constants
  }

  /** One axis of integers: a shape, positions. */
  vector(entries: readonly Formula[]): string {
    const parts: string[] = []
    let constants: number[] = []
    const flush = (): void => {
      if (constants.length > 0) parts.push(this.#constants.ints(constants))
      constants = []
    }
    for (const entry of entries) {
      if (isConstant(entry)) {
        constants.push(entry.constant)
        continue
      }
      flush()
      parts.push(this.#integer(entry))
    }
    flush()
    return parts.length === 1 ? parts[0]! : this.#node('Concat', parts, { axis: 0 })
  }

  /** Numbers of their own in the shape `base`, repeated along axes of size 1 to the shape `dims`. */
  tensor(
    dtype: DType,
    elements: readonly Formula[],
    base: readonly number[],
    dims: readonly Formula[],
  ): string {
    const [first] = elements
    const alike = elements.every((element) => sameFormula(element, first!))
    const parts = (alike ? [first!] : elements).map((element) => this.#number(dtype, element))
    const joined = parts.length === 1 ? parts[0]! : this.#node('Concat', parts, { axis: 0 })
    const from = alike ? base.map(() => 1) : base
    return this.expand(this.#node('Reshape', [joined, this.#constants.ints(from)]), from, dims)
  }

  /** A value of shape `from`, repeated along axes of size 1 to the shape `dims`. */
  expand(value: string, from: readonly number[], dims: readonly Formula[]): string {
    const stays = dims.every((size, i) => isConstant(size) && size.constant === from[i])
    return stays ? value : this.#node('Expand', [value, this.vector(dims)])
  }

  reshape(value: string, dims: readonly Formula[]): string {
    return this.#node('Reshape', [value, this.vector(dims)])
  }

  /** start, start + step, … in a shape of which one axis is longer than 1. */
  iota(dtype: DType, start: number, step: number, dims: readonly Formula[]): string {
    const wide: DType = dtype === 'float32' || dtype === 'float64' ? 'float64' : 'int64'
    const counted = this.#cast(this.#range(dims.find((size) => !isConstant(size))!), 'int64', wide)
    const number = (value: number): string => this.#constants.of(wide, [1], arrayOf(wide, [value]))
    const steps = step === 1 ? counted : this.#node('Mul', [counted, number(step)])
    const values = start === 0 ? steps : this.#node('Add', [steps, number(start)])
    return this.reshape(this.#cast(values, wide, dtype), dims)
  }

  /** The identity matrix of a size in a shape of which two axes are longer than 1. */
  identity(dtype: DType, size: Formula, dims: readonly Formula[]): string {
    const positions = this.#range(size)
    const column = this.#node('Reshape', [positions, this.#constants.ints([-1, 1])])
    const equal = this.#node('Equal', [column, positions])
    return this.reshape(this.#cast(equal, 'bool', dtype), dims)
  }

  /** 0, 1, … below a size. */
  #range(size: Formula): string {
    const count = this.#node('Squeeze', [this.#integer(size)])
    return this.#node('Range', [this.#scalar(0), count, this.#scalar(1)])
  }

  #scalar(value: number): string {
    return this.#constants.of('int64', [], arrayOf('int64', [value]))
  }

  /** The size of an axis, [1]. */
  #size(index: number): string {
    const { input, axis } = this.#axes[index]!
    return this.#node('Shape', [input], { start: axis, end: axis + 1 })
  }

  /** [1] */
  #integer({ constant, factor, powers }: Formula): string {
    if (factor === 0) return this.#constants.ints([constant])
    const factors = powers.flatMap((power, i) => new Array<string>(power).fill(this.#size(i)))
    const product = factors.reduce((a, b) => this.#node('Mul', [a, b]))
    const scaled = factor === 1 ? product : this.#node('Mul', [product, this.#constants.ints([factor])])
    return constant === 0 ? scaled : this.#node('Add', [scaled, this.#constants.ints([constant])])
  }

  /** [1] */
  #number(dtype: DType, formula: Formula): string {
    const { constant, factor, powers, reciprocal } = formula
    if (factor === 0) return this.#constants.of(dtype, [1], arrayOf(dtype, [constant]))
    if (dtype !== 'float32' && dtype !== 'float64') return this.#cast(this.#integer(formula), 'int64', dtype)
    // In double precision throughout: 1/N is then as exact as a constant would be.
    const double = (value: number): string => this.#constants.of('float64', [1], Float64Array.of(value))
    const factors = powers.flatMap((power, i) => (power === 0 ? [] : [this.#power(i, power)]))
    let value = factors.reduce((a, b) => this.#node('Mul', [a, b]))
    if (factor !== 1) value = this.#node('Mul', [value, double(factor)])
    if (constant !== 0) value = this.#node('Add', [value, double(constant)])
    if (reciprocal) value = this.#node('Reciprocal', [value])
    return this.#cast(value, 'float64', dtype)
  }

  #power(axis: number, power: number): string {
    const size = this.#cast(this.#size(axis), 'int64', 'float64')
    const positive =
      Math.abs(power) === 2
        ? this.#node('Mul', [size, size])
        : Math.abs(power) === 0.5
          ? this.#node('Sqrt', [size])
          : size
    return power < 0 ? this.#node('Reciprocal', [positive]) : positive
  }

  #cast(value: string, from: DType, to: DType): string {
    return from === to ? value : this.#node('Cast', [value], { to: elementType(to) })
  }

  #node(opType: string, input: readonly string[], attributes: NodeAttributes = {}): string {
    const key = JSON.stringify([opType, input, attributes])
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const output = this.#names.fresh('_s')
    const attribute = attributeProtos(`node ${opType}`, attributes)
    this.nodes.push(create(NodeProtoSchema, { opType, input: [...input], output: [output], attribute }))
    this.#known.set(key, output)
    return output
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  // Data that a function uses are the same array in every trace.
  return (a.buffer === b.buffer && a.byteOffset === b.byteOffset) || a.every((byte, i) => byte === b[i])
}
