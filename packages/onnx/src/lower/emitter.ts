/**
 * @file Collects the operators of a model before they are written. The same operator over the same values exists once,
 * so that rules share sub-results without arranging it; what nothing uses in the end is left out, so that a rule may
 * look past a node that was lowered already.
 */
import { type DType, type HostArray, sameShape, type Shape } from '@beyondgrad/tensor'
import type { NodeAttributes } from '../attribute.ts'
import { modelBuilder, type ModelBuilder } from '../model-builder.ts'
import { composed, inSteps, isIdentity, merged, type Order, reshaped } from './layout.ts'

/** What an operator computes, known by name. */
export interface Value {
  readonly name: string
  readonly shape: Shape
  readonly dtype: DType
}

/** Shape and dtype of a result that is to be. */
export type Result = Omit<Value, 'name'>

/** A value by what is in memory: axis i of the value is axis `order[i]` there. */
export interface Placed {
  readonly value: Value
  readonly order: Order
}

/** The domain of ONNX Runtime's own operators. */
export const contribDomain = 'com.microsoft'

interface Operator {
  readonly opType: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly attributes: NodeAttributes
  readonly outputs: readonly string[]
}

interface Stored extends Result {
  readonly name: string
  readonly data: HostArray
}

/** Up to here the content itself is the key under which a constant is found again. */
const shortContent = 64

export class Emitter {
  /** Whether the model is for ONNX Runtime: with operators of its own, in the memory order that its kernels like. */
  readonly contrib: boolean
  readonly #inputs: Value[] = []
  readonly #operators: Operator[] = []
  readonly #known = new Map<string, Value[]>()
  readonly #constants = new Map<string, Stored>()
  readonly #byContent = new Map<string, Stored[]>()
  /** What each transposed value was before. */
  readonly #moved = new Map<Value, Placed>()
  /** What each reshaped value was before. */
  readonly #unshaped = new Map<string, Value>()
  #count = 0

  constructor(contrib: boolean) {
    this.contrib = contrib
  }

  input(name: string, { shape, dtype }: Result): Value {
    const value: Value = { name, shape, dtype }
    this.#inputs.push(value)
    return value
  }

  /** An operator with one result; an input that is undefined is left out. */
  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    result: Result,
    attributes: NodeAttributes = {},
    domain = '',
  ): Value {
    return this.ops(opType, inputs, [result], attributes, domain)[0]!
  }

  /** An operator with several results. */
  ops(
    opType: string,
    inputs: readonly (Value | undefined)[],
    results: readonly Result[],
    attributes: NodeAttributes = {},
    domain = '',
  ): readonly Value[] {
    const names = inputs.map((input) => input?.name ?? '')
    const key = `${domain} ${opType} ${names.join()} ${results.length} ${JSON.stringify(attributes)}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const values = results.map(({ shape, dtype }) => ({ name: this.#fresh(), shape, dtype }))
    this.#known.set(key, values)
    this.#operators.push({
      opType,
      domain,
      inputs: names,
      attributes,
      outputs: values.map(({ name }) => name),
    })
    return values
  }

  constant(dtype: DType, shape: Shape, data: HostArray): Value {
    const content = data.length <= shortContent ? data.join() : ''
    // -0 and 0 print alike.
    const sign = data.length <= shortContent && data.some((v) => Object.is(v, -0)) ? '-' : ''
    const key = `${dtype} ${shape.join()} ${sign}${content}`
    let candidates = this.#byContent.get(key)
    if (candidates === undefined) this.#byContent.set(key, (candidates = []))
    const same = candidates.find((other) => equalContent(other.data, data))
    if (same !== undefined) return same
    const stored: Stored = { name: this.#fresh(), shape, dtype, data }
    candidates.push(stored)
    this.#constants.set(stored.name, stored)
    return stored
  }

  scalar(dtype: DType, value: number): Value {
    return this.constant(dtype, [], arrayOf(dtype, [value]))
  }

  /** One axis of integers, as operators take shapes, axes and positions. */
  ints(values: readonly number[]): Value {
    return this.constant('int64', [values.length], arrayOf('int64', values))
  }

  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x
    const { value, order } = this.stored(x)
    const arranged = isIdentity(order) ? undefined : reshaped(value.shape, order, shape)
    if (arranged !== undefined) return this.transpose(this.reshape(value, arranged.shape), arranged.order)
    return this.#reshapeAsIs(x, shape)
  }

  #reshapeAsIs(x: Value, shape: Shape): Value {
    const source = this.#unshaped.get(x.name) ?? x
    if (sameShape(source.shape, shape)) return source
    const result = this.op(
      'Reshape',
      [source, this.ints(shape)],
      { shape, dtype: x.dtype },
      // Otherwise a size 0 would mean: as the input has it.
      shape.includes(0) ? { allowzero: 1 } : {},
    )
    this.#unshaped.set(result.name, source)
    return result
  }

  /** x with its axes in another order, which is carried out only if some operator reads it so. */
  transpose(x: Value, permutation: Order): Value {
    const { value, order } = this.stored(x)
    const whole = composed(order, permutation)
    if (isIdentity(whole)) return value
    const shape = whole.map((axis) => value.shape[axis]!)
    const { sizes, permutation: blocks } = merged(value.shape, whole)
    if (isIdentity(blocks)) return this.reshape(value, shape)
    let turned = this.#reshapeAsIs(value, sizes)
    for (const step of inSteps(sizes, blocks)) {
      const before = this.#reshapeAsIs(turned, step.sizes)
      const result = { shape: composed(step.sizes, step.permutation), dtype: x.dtype }
      turned = this.op('Transpose', [before], result, { perm: step.permutation })
    }
    const result = this.#reshapeAsIs(turned, shape)
    this.#moved.set(result, { value, order: whole })
    return result
  }

  /** What is in memory for x, and the order of its axes in x. */
  stored(x: Value): Placed {
    return this.#moved.get(x) ?? { value: x, order: Array.from(x.shape, (_, i) => i) }
  }

  /** The same value, its transpose carried out: for rules that read it in this order many times. */
  settled(x: Value): Value {
    return this.#moved.has(x) ? { ...x } : x
  }

  /** Writes what the outputs depend on. */
  write(
    outputs: readonly { readonly name: string; readonly value: Value }[],
    { opset, name }: { readonly opset: number; readonly name: string | undefined },
  ): Uint8Array<ArrayBuffer> {
    const needed = new Set(outputs.map(({ value }) => value.name))
    const used: Operator[] = []
    for (let i = this.#operators.length - 1; i >= 0; i--) {
      const operator = this.#operators[i]!
      if (!operator.outputs.some((output) => needed.has(output))) continue
      used.push(operator)
      for (const input of operator.inputs) needed.add(input)
    }
    const hasContrib = used.some(({ domain }) => domain === contribDomain)
    const model = modelBuilder({
      opset,
      domains: hasContrib ? { [contribDomain]: 1 } : {},
      ...(name === undefined ? {} : { name }),
    })
    const names = new Map<string, string>([['', '']])
    for (const input of this.#inputs) names.set(input.name, model.input(input.name, input.dtype, input.shape))
    for (const { name: at, dtype, shape, data } of this.#constants.values()) {
      if (needed.has(at)) names.set(at, model.initializer(dtype, shape, data))
    }
    for (const operator of used.reverse()) addOperator(model, operator, names)
    for (const { name: as, value } of outputs) {
      model.output(as, value.dtype, value.shape, names.get(value.name))
    }
    return model.finish()
  }

  #fresh(): string {
    // No input can be called so.
    return ` ${this.#count++}`
  }
}

function addOperator(
  model: ModelBuilder,
  { opType, domain, inputs, attributes, outputs }: Operator,
  names: Map<string, string>,
): void {
  const given: string[] = model.node(
    opType,
    inputs.map((input) => names.get(input)!),
    attributes,
    { outputs: outputs.length, ...(domain === '' ? {} : { domain }) },
  )
  outputs.forEach((output, i) => names.set(output, given[i]!))
}

/** A typed array of a dtype. */
export function arrayOf(dtype: DType, values: readonly number[]): HostArray {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values)
    case 'float64':
      return Float64Array.from(values)
    case 'int32':
      return Int32Array.from(values)
    case 'int64':
      return BigInt64Array.from(values, BigInt)
    case 'bool':
      return Uint8Array.from(values)
  }
}

function equalContent(a: HostArray, b: HostArray): boolean {
  if (a === b) return true
  if (a.length !== b.length || a.constructor !== b.constructor) return false
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false
  return true
}
