/**
 * @file Several models of one function, traced at different sizes, become one model in which the sizes are free.
 *
 * Their operators must be the same, with the same attributes. Constants may differ: each is then explained as a function
 * of the sizes and computed when the model runs.
 */
import { toBinary } from '@bufbuild/protobuf'
import type { DType } from '@beyondgrad/tensor'
import {
  AttributeProtoSchema,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../proto/onnx_pb.ts'
import { elementType } from '../tensor-proto.ts'
import { explain, type Formula, isConstant, sameFormula, valueOf } from './formula.ts'
import { type Constants, equalBytes, type SizeNodes } from './size-nodes.ts'

/** One graph, and the sizes it was traced at, an entry a free axis. */
export interface Sample {
  readonly graph: GraphProto
  readonly sizes: readonly number[]
}

export interface Unified {
  readonly nodes: readonly NodeProto[]
  /** Sizes of the axes of every input and output. */
  readonly shapes: ReadonlyMap<string, readonly Formula[]>
}

/** Why the sizes can't be free. */
export class Difference {
  /** The operator of the first graph where it shows, if there is one. */
  readonly node: NodeProto | undefined
  readonly why: string

  constructor(why: string, node?: NodeProto) {
    this.node = node
    this.why = why
  }
}

/** More elements than this are not computed one by one. */
const elementLimit = 64

export function unify(
  samples: readonly Sample[],
  names: readonly string[],
  constants: Constants,
  sizeNodes: SizeNodes,
): Unified | Difference {
  const at = (i: number): string => names.map((name, j) => `${name} = ${samples[i]!.sizes[j]}`).join(', ')
  const different = differentOperators(samples, at)
  if (different !== undefined) return different
  const stored = samples.map(({ graph }) => new Map(graph.initializer.map((proto) => [proto.name, proto])))
  const points = samples.map(({ sizes }) => sizes)
  const [first] = samples
  const nodes: NodeProto[] = []
  for (const [i, node] of first!.graph.node.entries()) {
    const input: string[] = []
    for (const [j, name] of node.input.entries()) {
      const used = samples.map(({ graph }) => graph.node[i]!.input[j]!)
      const protos = used.map((each, k) => stored[k]!.get(each))
      if (protos.every((proto) => proto === undefined) && used.every((each) => each === name)) {
        input.push(name)
        continue
      }
      if (!protos.every((proto) => proto !== undefined)) {
        return new Difference(
          `operator ${node.opType} reads ${name} at ${at(0)} but not at every other size`,
          node,
        )
      }
      const isShape = node.opType === 'Reshape' && j === 1
      const found = explainTensor(protos, points, isShape, constants, sizeNodes)
      if (found === undefined) return new Difference(unexplained(node, protos, names, at), node)
      input.push(found)
    }
    nodes.push({ ...node, input })
  }
  const shapes = outerShapes(samples, points, at)
  return shapes instanceof Difference ? shapes : { nodes, shapes }
}

function differentOperators(samples: readonly Sample[], at: (i: number) => string): Difference | undefined {
  const [{ graph }] = samples as [Sample, ...Sample[]]
  for (const [k, other] of samples.entries()) {
    const outer = (each: GraphProto): string => [...each.input, ...each.output].map(({ name }) => name).join()
    if (outer(graph) !== outer(other.graph)) {
      return new Difference(`the function uses or returns other tensors at ${at(0)} than at ${at(k)}`)
    }
    const theirs = other.graph.node
    for (let i = 0; i < Math.max(graph.node.length, theirs.length); i++) {
      const [a, b] = [graph.node[i], theirs[i]]
      if (a !== undefined && b !== undefined && sameOperator(a, b)) continue
      const count = `there are ${graph.node.length} operators at ${at(0)} and ${theirs.length} at ${at(k)}`
      if (a === undefined || b === undefined) return new Difference(count, a ?? graph.node.at(-1))
      const how =
        a.opType === b.opType
          ? `the inputs or attributes of ${a.opType}`
          : `${a.opType} instead of ${b.opType}`
      return new Difference(`${count}, which differ first in ${how}`, a)
    }
  }
  return undefined
}

function sameOperator(a: NodeProto, b: NodeProto): boolean {
  return (
    a.opType === b.opType &&
    a.domain === b.domain &&
    a.input.length === b.input.length &&
    a.output.length === b.output.length &&
    a.output.every((name, i) => name === b.output[i]) &&
    a.attribute.length === b.attribute.length &&
    a.attribute.every((attribute, i) =>
      equalBytes(toBinary(AttributeProtoSchema, attribute), toBinary(AttributeProtoSchema, b.attribute[i]!)),
    )
  )
}

/** The name of a value that is the constant `protos[i]` at the sizes `points[i]`. */
function explainTensor(
  protos: readonly TensorProto[],
  points: readonly (readonly number[])[],
  isShape: boolean,
  constants: Constants,
  sizeNodes: SizeNodes,
): string | undefined {
  const [first] = protos as [TensorProto, ...TensorProto[]]
  const same = protos.every((proto) => sameDims(proto, first) && equalBytes(proto.rawData, first.rawData))
  if (same) return constants.add(first, named(first.name))
  const dtype = dtypeOf(first)
  const shapes = protos.map(({ dims }) => dims.map(Number))
  const rank = shapes[0]!.length
  if (shapes.some((shape) => shape.length !== rank)) return undefined
  const dims = entriesOf(shapes, points, 'integer')
  if (dims === undefined) return undefined
  const values = protos.map(numbersOf)
  const exactness = dtype === 'float32' ? 'single' : dtype === 'float64' ? 'double' : 'integer'
  for (const layout of layoutsOf(dims)) {
    const inner = shapes.map((_, i) => layout.map((size) => valueOf(size, points[i]!)))
    const varying = layout.flatMap((size, axis) => (isConstant(size) ? [] : [axis]))
    const base = inner[0]!.map((size, axis) => (varying.includes(axis) ? 1 : size))
    const slices = values.map((data, i) => repeated(data, inner[i]!, varying))
    if (!slices.every((slice) => slice !== undefined)) continue
    const isSplit = layout.length > rank
    const shaped = (value: string): string => (isSplit ? sizeNodes.reshape(value, dims) : value)
    if (slices.every((slice) => slice.every((value, e) => Object.is(value, slices[0]![e])))) {
      const rawData = firstSlice(first, inner[0]!, varying)
      const slice = constants.add({ ...first, dims: base.map(BigInt), rawData })
      return shaped(sizeNodes.expand(slice, base, layout))
    }
    if (slices[0]!.length > elementLimit) continue
    const elements = entriesOf(slices, points, exactness)
    if (elements === undefined) continue
    if (dtype === 'int64' && rank === 1 && varying.length === 0) {
      return isShape ? shapeOperand(elements, constants, sizeNodes) : sizeNodes.vector(elements)
    }
    return shaped(sizeNodes.tensor(dtype, elements, base, layout))
  }
  return counted(values, dtype, dims, sizeNodes) ?? identity(values, dtype, dims, sizeNodes)
}

/**
 * The shape itself, and the shape with an axis of size a·N as two: the elements of a tensor that was repeated and then
 * reshaped are still the same along one of them.
 */
function layoutsOf(dims: readonly Formula[]): (readonly Formula[])[] {
  const layouts: (readonly Formula[])[] = [dims]
  for (const [axis, size] of dims.entries()) {
    const { constant, factor } = size
    if (isConstant(size) || constant !== 0 || factor === 1) continue
    const whole = { ...size, constant: factor, factor: 0 }
    const free = { ...size, factor: 1 }
    layouts.push(dims.toSpliced(axis, 1, whole, free), dims.toSpliced(axis, 1, free, whole))
  }
  return layouts
}

/** A reshape finds out one size by itself. */
function shapeOperand(sizes: readonly Formula[], constants: Constants, sizeNodes: SizeNodes): string {
  const free = sizes.filter((size) => !isConstant(size))
  if (free.length > 1) return sizeNodes.vector(sizes)
  return constants.ints(sizes.map((size) => (isConstant(size) ? size.constant : -1)))
}

/** One formula for each entry of lists that are equally long; undefined if one has none. */
function entriesOf(
  lists: readonly (readonly number[])[],
  points: readonly (readonly number[])[],
  exactness: 'integer' | 'single' | 'double',
): Formula[] | undefined {
  const formulas: Formula[] = []
  for (let i = 0; i < lists[0]!.length; i++) {
    const formula = explain(
      lists.map((list) => list[i]!),
      points,
      exactness,
    )
    if (formula === undefined) return undefined
    formulas.push(formula)
  }
  return formulas
}

/** start, start + step, … along the one axis that is longer than 1: positions. */
function counted(
  values: readonly (readonly number[])[],
  dtype: DType,
  dims: readonly Formula[],
  sizeNodes: SizeNodes,
): string | undefined {
  const long = dims.filter((size) => !(isConstant(size) && size.constant === 1))
  const [start, next] = values[0]!
  if (long.length !== 1 || next === undefined) return undefined
  const step = next - start!
  if (!values.every((data) => data.every((value, i) => value === start! + step * i))) return undefined
  return sizeNodes.iota(dtype, start!, step, dims)
}

/** Ones where two axes of the same free size have the same position, zeros elsewhere. */
function identity(
  values: readonly (readonly number[])[],
  dtype: DType,
  dims: readonly Formula[],
  sizeNodes: SizeNodes,
): string | undefined {
  const [row, column, ...more] = dims.filter((size) => !(isConstant(size) && size.constant === 1))
  if (row === undefined || column === undefined || more.length > 0 || !sameFormula(row, column)) {
    return undefined
  }
  const isIdentity = values.every((data) => {
    const size = Math.sqrt(data.length)
    return data.every((value, i) => value === (i % (size + 1) === 0 ? 1 : 0))
  })
  return isIdentity ? sizeNodes.identity(dtype, row, dims) : undefined
}

/** The slice at position 0 of the axes `varying` if all others equal it. */
function repeated(
  data: readonly number[],
  shape: readonly number[],
  varying: readonly number[],
): number[] | undefined {
  const slice: number[] = []
  for (const [i, at] of sliceIndex(shape, varying).entries()) {
    if (at === slice.length) slice.push(data[i]!)
    else if (!Object.is(slice[at], data[i])) return undefined
  }
  return slice
}

/** The bytes of the slice at position 0 of the axes `varying`. */
function firstSlice(proto: TensorProto, shape: readonly number[], varying: readonly number[]): Uint8Array {
  const index = sliceIndex(shape, varying)
  const width = proto.rawData.length / index.length
  const parts: number[] = []
  let next = 0
  for (const [i, at] of index.entries()) {
    if (at !== next) continue
    parts.push(...proto.rawData.subarray(i * width, (i + 1) * width))
    next++
  }
  return Uint8Array.from(parts)
}

/** For each element of a shape, the element of the slice at position 0 of the axes `varying` that it is beside. */
function sliceIndex(shape: readonly number[], varying: readonly number[]): number[] {
  let index = [0]
  let block = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const step = varying.includes(axis) ? 0 : block
    const inner = index
    index = Array.from({ length: shape[axis]! }, (_, i) => inner.map((at) => at + i * step)).flat()
    if (step !== 0) block *= shape[axis]!
  }
  return index
}

function outerShapes(
  samples: readonly Sample[],
  points: readonly (readonly number[])[],
  at: (i: number) => string,
): Map<string, readonly Formula[]> | Difference {
  const values = samples.map(({ graph }) => [...graph.input, ...graph.output])
  const result = new Map<string, readonly Formula[]>()
  for (const [i, { name }] of values[0]!.entries()) {
    const shapes = values.map((list) => shapeOf(list[i]!))
    const same = shapes.every((shape) => shape.length === shapes[0]!.length)
    const sizes = same ? entriesOf(shapes, points, 'integer') : undefined
    if (sizes === undefined) {
      const seen = shapes.map((shape, k) => `[${shape.join(', ')}] at ${at(k)}`).join(', ')
      return new Difference(
        `"${name}" has shape ${seen}, which is no simple function of the sizes`,
        samples[0]!.graph.node.find(({ output }) => output.includes(name)),
      )
    }
    result.set(name, sizes)
  }
  return result
}

function shapeOf(info: ValueInfoProto): number[] {
  const type = info.type?.value
  if (type?.case !== 'tensorType') return []
  return (type.value.shape?.dim ?? []).map(({ value }) => Number(value.value))
}

function unexplained(
  node: NodeProto,
  protos: readonly TensorProto[],
  names: readonly string[],
  at: (i: number) => string,
): string {
  const seen = protos.slice(0, 3).map((proto, i) => `${formatConstant(proto)} at ${at(i)}`)
  return `a constant of operator ${node.opType} is ${seen.join(', ')}, which is no simple function of ${names.join(' and ')}`
}

function formatConstant(proto: TensorProto): string {
  const values = numbersOf(proto)
  if (values.length > 8) return `a tensor of shape [${proto.dims.join(', ')}]`
  return values.length === 1 ? String(values[0]) : `[${values.join(', ')}]`
}

/** Names that people gave; those of the builder are given anew. */
function named(name: string): string | undefined {
  return /^_c\d+$/.test(name) ? undefined : name
}

function sameDims(a: TensorProto, b: TensorProto): boolean {
  return a.dims.length === b.dims.length && a.dims.every((size, i) => size === b.dims[i])
}

const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'bool']

function dtypeOf({ dataType }: TensorProto): DType {
  return dtypes.find((dtype) => Number(elementType(dtype)) === dataType)!
}

function numbersOf(proto: TensorProto): number[] {
  const { buffer, byteOffset, byteLength } = proto.rawData
  const view = new DataView(buffer, byteOffset, byteLength)
  const read = {
    float32: [4, (i: number): number => view.getFloat32(i, true)],
    float64: [8, (i: number): number => view.getFloat64(i, true)],
    int32: [4, (i: number): number => view.getInt32(i, true)],
    int64: [8, (i: number): number => Number(view.getBigInt64(i, true))],
    bool: [1, (i: number): number => view.getUint8(i)],
  } as const
  const [width, get] = read[dtypeOf(proto)]
  return Array.from({ length: byteLength / width }, (_, i) => get(i * width))
}
