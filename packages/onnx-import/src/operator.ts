/** @file What an operator is: a function from the inputs and attributes of a node to tensors. */
import {
  type AnyTensor,
  cast,
  DataError,
  type Dense,
  formatShape,
  type HostArray,
  type Tensor,
} from '@beyondgrad/tensor'
import { type Graph, type Node, titleOf } from './graph.ts'
import { knownData, knownTensor } from './known.ts'
import type { NodeAttributes } from './node-attributes.ts'

/** What an operator gives: one output, or several in order; undefined where nobody asked for it. */
export type OperatorResult = AnyTensor | readonly (AnyTensor | undefined)[]

/** One operator, from one version on. */
export interface OperatorVersion {
  /** The first version of the operator set in which it means this. */
  readonly since: number
  readonly build: (call: OperatorCall) => OperatorResult
  /** Inputs whose content must be known while the expression is built: shapes, axes, counts. */
  readonly known?: readonly number[]
  /** Inputs that set something and are never trained, such as bounds: besides those of `known`. */
  readonly settings?: readonly number[]
  /** Inputs that are running statistics. */
  readonly buffers?: readonly number[]
  /** What is wrong with a node, as far as that shows before anything runs; undefined if nothing is. */
  readonly check?: (node: Node) => string | undefined
}

/** All versions of operators, by name. */
export type OperatorTable = Readonly<Record<string, readonly OperatorVersion[]>>

/** An operator of somebody else's, or a replacement of one that is here. */
export interface OnnxOperator extends Partial<Omit<OperatorVersion, 'build'>> {
  /** Empty or left out for the standard operators. */
  readonly domain?: string
  readonly name: string
  /** The last version of the operator set in which it means this. Default: no end. */
  readonly until?: number
  readonly build: OperatorVersion['build']
}

declare module '@beyondgrad/autograd' {
  interface PluginParts {
    /** Operators for `importOnnx`, as its option `operators` takes them. */
    readonly onnxOperators?: readonly OnnxOperator[]
  }
}

/** Runs a graph among a node's attributes, with values for its inputs. */
export type RunBody = (graph: Graph, inputs: readonly (AnyTensor | undefined)[]) => AnyTensor[]

/** A node that is to be computed: what its operator's function gets. */
export class OperatorCall {
  readonly node: Node
  /** In order; undefined where one is left out. */
  readonly inputs: readonly (AnyTensor | undefined)[]
  readonly body: RunBody

  constructor(node: Node, inputs: readonly (AnyTensor | undefined)[], body: RunBody) {
    this.node = node
    this.inputs = inputs
    this.body = body
  }
  get attributes(): NodeAttributes {
    return this.node.attributes
  }
  /** Version of the operator set. */
  get opset(): number {
    return this.node.opset
  }
  /** Whether somebody asked for an output. */
  wants(output: number): boolean {
    return (this.node.outputs[output] ?? '') !== ''
  }
  has(input: number): boolean {
    return this.inputs[input] !== undefined
  }
  /** An input that must be there, of any dtype. */
  any(input: number): AnyTensor {
    return this.inputs[input] ?? this.fail(`input ${input} is missing`)
  }
  /** An input that must be there and hold floats. */
  float(input: number): Tensor {
    const x = this.any(input)
    return x.dtype === 'float32'
      ? (x as Tensor)
      : this.fail(`input ${input} must hold floats, not ${x.dtype}`)
  }
  /** An input of numbers; typed as floats, since ops of this package's kind take both. */
  number(input: number): Tensor {
    const x = this.any(input)
    return x.dtype === 'bool' ? this.fail(`input ${input} must hold numbers, not bool`) : (x as Tensor)
  }
  bool(input: number): Tensor<'bool'> {
    const x = this.any(input)
    return x.dtype === 'bool' ? (x as Tensor<'bool'>) : cast(x, 'bool')
  }
  /** All inputs that are there. */
  all(): AnyTensor[] {
    return this.inputs.filter((x) => x !== undefined)
  }
  /** The content of an input; undefined if it is left out, an error if it only shows at a run. */
  content(input: number): HostArray | undefined {
    const x = this.inputs[input]
    if (x === undefined) return undefined
    return (
      knownData(x) ??
      this.fail(
        `input ${input} ("${this.node.inputs[input]}") must be known before anything runs: it decides about shapes, but is computed from data`,
      )
    )
  }
  /** The content of an input, if it is there and known. */
  contentIfKnown(input: number): Dense | undefined {
    const x = this.inputs[input]
    const data = x && knownData(x)
    return data && { shape: x.shape, dtype: x.dtype, data }
  }
  /** The content of a tensor, if it is known. */
  contentOf(x: AnyTensor): HostArray | undefined {
    return knownData(x)
  }
  /** Integers from an input that must be known; rounded beyond 2⁵³, where they mean "to the end". */
  integers(input: number): number[] | undefined {
    const data = this.content(input)
    return data && Array.from(data as ArrayLike<number | bigint>, Number)
  }
  /** Integers that are an attribute in older versions, and an input in newer ones. */
  list(attribute: string, input: number): number[] | undefined {
    return this.attributes.ints(attribute) ?? this.integers(input)
  }
  /** A number from an input that must be known. */
  scalar(input: number, usual?: number): number {
    const data = this.content(input)
    if (data !== undefined && data.length > 0) return Number(data[0])
    return usual ?? this.fail(`input ${input} is missing`)
  }
  /** A tensor whose content is known from now on. */
  known(content: Dense): AnyTensor {
    return knownTensor(content)
  }
  /** Throws a `DataError` that names the node. */
  fail(message: string): never {
    const shapes = this.inputs.map((x) => (x === undefined ? 'nothing' : formatShape(x.shape)))
    throw new DataError(`${titleOf(this.node)} on ${shapes.join(', ')}: ${message}`)
  }
}

/** One version that is good for all. */
export function operator(
  build: OperatorVersion['build'],
  more: Partial<Omit<OperatorVersion, 'build'>> = {},
): OperatorVersion[] {
  return [{ since: 1, ...more, build }]
}

/** The version of an operator that a node means. */
export function versionOf(versions: readonly OperatorVersion[], opset: number): OperatorVersion | undefined {
  return versions.filter(({ since }) => since <= opset).sort((a, b) => b.since - a.since)[0]
}
