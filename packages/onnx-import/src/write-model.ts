/**
 * @file An imported model as a file again: the message that it came from, with the numbers that its parameters and running statistics
 * have now. What did not change is left as it was written, so that an untouched model gives its own bytes.
 */
import type { Buffer, Parameter } from '@beyondgrad/autograd'
import {
  type AttributeProto,
  formatModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  parseModel,
  protoOfTensor,
  type StoredTensor,
  type TensorProto,
  writeTensor,
} from '@beyondgrad/onnx'
import { BeyondgradError, type HostArray } from '@beyondgrad/tensor'
import { ConstantNames } from './constant-names.ts'

interface WrittenOutput {
  readonly name: string
  /** An output of the file that has the same type, if the tensor itself has none there. */
  readonly like: string | undefined
}

/** What is written: a file, and what has changed since it was read. */
export interface WrittenModel {
  readonly bytes: Uint8Array
  /** Tensors as they were read: what other files held goes into the model. */
  readonly stored: ReadonlyMap<string, StoredTensor>
  readonly changing: readonly (Parameter | Buffer)[]
  /** What the model gives. Other outputs of the file, and what only they need, are left out. */
  readonly outputs: readonly WrittenOutput[]
}

/** A place of a file where a tensor is. */
interface Place {
  /** Whether its numbers are in another file. */
  readonly outside: boolean
  readonly write: (data: HostArray) => void
}

/** @throws BeyondgradError if a parameter has changed that is no tensor of the file's graphs, such as one inside of a function */
export function writeModel({ bytes, stored, changing, outputs }: WrittenModel): Uint8Array {
  const model = parseModel(bytes)
  const places = new Map<string, Place>()
  collect(model.graph!, new ConstantNames(), stored, places)
  const changed = new Map(
    changing.flatMap(({ cell }) => (cell.version > 0 ? [[cell, cell.data] as const] : [])),
  )
  for (const { name, cell } of changing) {
    const data = changed.get(cell)
    if (data === undefined) continue
    const place = places.get(name)
    if (place === undefined) {
      throw new BeyondgradError(
        'unsupported',
        `toOnnx: "${name}" has changed, but is inside of a function of the model, which several nodes may call: write the model as exportOnnx does it, operator by operator`,
      )
    }
    place.write(data)
  }
  const written = new Set(changing.flatMap(({ name, cell }) => (changed.has(cell) ? [name] : [])))
  for (const [name, { outside, write }] of places) {
    const tensor = stored.get(name)
    if (outside && !written.has(name) && tensor !== undefined) write(tensor.data)
  }
  keepOutputs(model, outputs)
  return formatModel(model)
}

const isOutside = ({ dataLocation }: TensorProto): boolean => (dataLocation as number) === 1

/** Where the tensors of a graph, and of the bodies in it, are. */
function collect(
  graph: GraphProto,
  names: ConstantNames,
  stored: ReadonlyMap<string, StoredTensor>,
  places: Map<string, Place>,
): void {
  const nameOf = names.claim(graph)
  for (const proto of graph.initializer) {
    places.set(nameOf(proto.name), { outside: isOutside(proto), write: (data) => writeTensor(proto, data) })
  }
  for (const sparse of graph.sparseInitializer) {
    const name = sparse.values?.name ?? ''
    const write = (data: HostArray): void => {
      graph.sparseInitializer = graph.sparseInitializer.filter((each) => each !== sparse)
      graph.initializer.push(denseOf(stored, nameOf(name), name, data))
    }
    places.set(nameOf(name), { outside: false, write })
  }
  for (const node of graph.node) {
    const [output = ''] = node.output
    const attribute = node.opType === 'Constant' ? node.attribute[0] : undefined
    if (attribute !== undefined) {
      const outside = attribute.t !== undefined && isOutside(attribute.t)
      const write = (data: HostArray): void =>
        setConstant(attribute, data, () => denseOf(stored, nameOf(output), '', data))
      places.set(nameOf(output), { outside, write })
    }
    for (const { g, graphs } of node.attribute) {
      if (g !== undefined) collect(g, names, stored, places)
      for (const each of graphs) collect(each, names, stored, places)
    }
  }
}

function setConstant(attribute: AttributeProto, data: HostArray, dense: () => TensorProto): void {
  if (attribute.t !== undefined) {
    writeTensor(attribute.t, data)
  } else if (attribute.floats.length > 0) {
    attribute.floats = Array.from(data as Float32Array)
  } else if (attribute.sparseTensor !== undefined) {
    Object.assign(attribute, { name: 'value', type: 4, t: dense(), sparseTensor: undefined })
  } else {
    attribute.f = Number(data[0])
  }
}

function denseOf(
  stored: ReadonlyMap<string, StoredTensor>,
  key: string,
  name: string,
  data: HostArray,
): TensorProto {
  return protoOfTensor({ ...stored.get(key)!, name, data })
}

/** Leaves what leads to some tensors alone, if they are not the outputs of the file. */
function keepOutputs({ graph }: ModelProto, outputs: readonly WrittenOutput[]): void {
  const names = outputs.map(({ name }) => name)
  const own = graph!.output.map(({ name }) => name)
  if (names.length === own.length && names.every((name, i) => name === own[i])) return
  const known = new Map([...graph!.valueInfo, ...graph!.output].map((info) => [info.name, info]))
  const template = graph!.output[0]!
  graph!.output = outputs.map(({ name, like }) => {
    const info = known.get(name) ?? known.get(like ?? '')
    return { ...template, name, type: info?.type }
  })
  const needed = new Set(names)
  const nodes: NodeProto[] = []
  for (const node of graph!.node.toReversed()) {
    if (!node.output.some((name) => name !== '' && needed.has(name))) continue
    nodes.push(node)
    for (const name of usedBy(node)) needed.add(name)
  }
  graph!.node = nodes.reverse()
  graph!.input = graph!.input.filter(({ name }) => needed.has(name))
  graph!.initializer = graph!.initializer.filter(({ name }) => needed.has(name))
  graph!.sparseInitializer = graph!.sparseInitializer.filter(({ values }) => needed.has(values?.name ?? ''))
  graph!.valueInfo = graph!.valueInfo.filter(({ name }) => needed.has(name))
}

/** Names that a node uses, also those inside of its bodies: more than those from outside, which does no harm. */
function usedBy({ input, attribute }: NodeProto): string[] {
  const inside = attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]))
  return [
    ...input,
    ...inside.flatMap(({ node, output }) => [...node.flatMap(usedBy), ...output.map(({ name }) => name)]),
  ]
}
