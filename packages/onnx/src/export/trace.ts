/** @file One trace of a function at given sizes, as the graph of an ONNX model. */
import {
  type AnyTensor,
  BeyondgradError,
  capture,
  type Captured,
  type Cell,
  cellOf,
  type DType,
  hostData,
  placeholder,
  randomSource,
  type RandomSource,
  StaleParameterError,
  type Tensor,
} from '@beyondgrad/tensor'
import { toOnnx } from '../lower/to-onnx.ts'
import type { GraphProto, TensorProto } from '../proto/onnx_pb.ts'
import { parseModel } from '../read-model.ts'
import { rawData, tensorProto } from '../tensor-proto.ts'
import { Names } from './size-nodes.ts'

/** An input with sizes for all its axes. */
export interface SizedInput {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: DType
}

export interface Trace {
  /** Its inputs are those of the function, then random numbers; data that the function uses are initializers. */
  readonly graph: GraphProto
  readonly cells: readonly { readonly name: string; readonly cell: Cell }[]
  readonly random: readonly { readonly name: string; readonly source: RandomSource }[]
  readonly outputs: readonly { readonly name: string; readonly dtype: DType }[]
}

export type Traceable = (inputs: Readonly<Record<string, Tensor>>) => object

export function traceAt(fn: Traceable, inputs: readonly SizedInput[], name: string): Trace {
  const given = new Map<AnyTensor, string>()
  const placeholders: Record<string, Tensor> = {}
  for (const { name, shape, dtype } of inputs) {
    const input = placeholder(shape, dtype, `input "${name}"`)
    given.set(input, name)
    // The caller's types say which dtype it has.
    placeholders[name] = input as unknown as Tensor
  }
  const captured = capture(() => fn(placeholders), 'exportOnnx')
  const outputs = outputsOf(captured, inputs)
  const names = new Names([...given.values(), ...outputs.map((output) => output.name)])
  const cells: { name: string; cell: Cell }[] = []
  const random: Trace['random'][number][] = []
  const data: TensorProto[] = []
  const leafNames = captured.leaves.map((leaf) => {
    const argument = given.get(leaf)
    if (argument !== undefined) return argument
    const parameter = cellOf(leaf)
    if (parameter !== undefined) {
      const { cell, version } = parameter
      if (cell.version !== version) throw new StaleParameterError(cell.name)
      const name = names.claim(cell.name)
      cells.push({ name, cell })
      return name
    }
    const source = randomSource(leaf)
    if (source !== undefined) {
      const name = names.claim(`random.${source.stream}`)
      random.push({ name, source })
      return name
    }
    const values = hostData(leaf)
    if (values === undefined) {
      throw new BeyondgradError(
        'tracing',
        'exportOnnx: the result depends on an argument of another traced function; make it an input of this one',
      )
    }
    const name = names.claim(`data.${data.length}`)
    data.push(tensorProto(name, leaf.dtype, leaf.shape, rawData(name, leaf.dtype, leaf.shape, values)))
    return name
  })
  // Inputs that the result does not depend on are inputs of the file all the same.
  const used = new Set(captured.leaves)
  const unused = [...given.keys()].filter((input) => !used.has(input))
  const file = toOnnx(
    { inputs: [...captured.graph.inputs, ...unused], outputs: captured.graph.outputs },
    {
      inputs: [...leafNames, ...unused.map((input) => given.get(input)!)],
      outputs: outputs.map((output) => output.name),
      name,
    },
  )
  const { graph } = parseModel(file.bytes)
  const stored = new Set(data.map((proto) => proto.name))
  graph!.input = graph!.input.filter((input) => !stored.has(input.name))
  graph!.initializer.push(...data)
  return { graph: graph!, cells, random, outputs }
}

function outputsOf(
  { graph, paths }: Captured,
  inputs: readonly SizedInput[],
): { readonly name: string; readonly dtype: DType }[] {
  if (paths.length === 0) {
    throw new BeyondgradError(
      'value',
      'exportOnnx: the function returns no tensors; return an object of them',
    )
  }
  const taken = new Set(inputs.map(({ name }) => name))
  return paths.map((path, i) => {
    const name = path.length === 0 ? 'output' : path.join('.')
    if (taken.has(name)) {
      const isInput = inputs.some((input) => input.name === name)
      throw new BeyondgradError(
        'value',
        `exportOnnx: "${name}" would be the name of ${isInput ? 'an input and an output' : 'two outputs'}; rename one`,
      )
    }
    taken.add(name)
    return { name, dtype: graph.outputs[i]!.dtype }
  })
}
