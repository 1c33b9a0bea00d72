/** @file From an ONNX file to a model. */
import { buffer, type Buffer, parameter, type Parameter } from '@beyondgrad/autograd'
import { type ModelProto, parseModel } from '@beyondgrad/onnx'
import {
  type AnyTensor,
  BeyondgradError,
  cancelled,
  isFloat,
  type NDArray,
  type Tensor,
} from '@beyondgrad/tensor'
import { buildGraph, type BuildContext, functionKey, opsetsOf, plainDomain } from './build-graph.ts'
import { ConstantNames } from './constant-names.ts'
import { externalFiles, load, type ModelSource } from './files.ts'
import { allConstants, type Graph, type Node, type StoredConstant } from './graph.ts'
import { type ImportProblem, OnnxImportError, reasonOf } from './import-error.ts'
import { knownTensor } from './known.ts'
import { type ImportedModel, modelOf, type ModelOutput } from './model.ts'
import type { OnnxOperator } from './operator.ts'
import { operatorLookup, type OperatorLookup } from './operators/index.ts'
import { noteOf, probabilityHeads } from './probability-heads.ts'
import { notesOnCopies } from './copies.ts'
import { rolesOf, type TensorInfo } from './roles.ts'

export interface ImportOptions {
  /**
   * Which tensors are trained: those that are used as weights (`auto`), none, or those of which a function says so. Default:
   * `auto`.
   */
  readonly trainable?: 'auto' | 'none' | ((info: TensorInfo) => boolean)
  /** Operators that are not here, or that shall be others. They come first. */
  readonly operators?: readonly OnnxOperator[]
  /** Whether a batch size that the file declares binds. Default: `free`. */
  readonly batch?: 'free' | 'fixed'
  /**
   * Which axis of which inputs counts the samples, by the inputs' names, for models that don't have them on axis 0:
   * `{ sequence: 1, state: 1 }`. Default: axis 0 of the first input, and of all that the file declares alike.
   */
  readonly samples?: Readonly<Record<string, number>>
  /** In what precision parameters are kept that the file has in double. Engines compute in their own. Default: `float32`. */
  readonly dtype?: 'float32' | 'float64'
  readonly signal?: AbortSignal
}

/** Newest versions that this was written for; later ones are read with a note. */
const newestOpset = 23
const newestFormat = 13
const oldestFormat = 3

/**
 * Reads a model, as a function of tensors with parameters.
 *
 * The type argument says what it gives: a tensor, if it has one output, or an object with tensors by the outputs' names, as
 * `importOnnx<{ boxes: Tensor; scores: Tensor }>(…)`.
 *
 * @throws OnnxImportError with everything that stands in the way: a damaged file, operators that are not known
 */
export async function importOnnx<O extends ModelOutput = Tensor>(
  source: ModelSource,
  options: ImportOptions = {},
): Promise<ImportedModel<O>> {
  const { signal } = options
  const file = await load(source, signal)
  if (signal?.aborted) throw cancelled('the import was cancelled')
  const proto = parsed(file.bytes, file.name)
  const problems: ImportProblem[] = []
  const external = await externalFiles(proto, file.beside, (error, tensor) => {
    problems.push({ kind: 'tensor', message: reasonOf(error), tensor })
  })
  if (problems.length > 0) throw new OnnxImportError(file.name, problems)
  if (signal?.aborted) throw cancelled('the import was cancelled')
  const notes: string[] = []
  const opsets = opsetsOf(proto.opsetImport)
  checkVersions(proto, opsets.get('')!, problems, notes)
  const functions = new Map(
    proto.functions.map((each) => [functionKey(each.domain, each.name, each.overload), each] as const),
  )
  const context: BuildContext = {
    problems,
    functions,
    external,
    nodes: [],
    count: 0,
    names: new ConstantNames(),
  }
  const graph = built(proto, opsets, context, file.name)
  checkSamples(graph, options.samples)
  const lookup = operatorLookup(options.operators)
  checkNodes(context.nodes, lookup, problems)
  checkTypes(graph, problems)
  if (problems.length > 0) throw new OnnxImportError(file.name, problems)
  return assembled<O>(graph, file.bytes, lookup, notes, options)
}

/** The graph; what makes it impossible to go on is a problem like the others. */
function built(
  proto: ModelProto,
  opsets: ReadonlyMap<string, number>,
  context: BuildContext,
  file: string,
): Graph {
  try {
    return buildGraph(proto.graph!, opsets, context)
  } catch (error) {
    const problem: ImportProblem = { kind: 'graph', message: reasonOf(error) }
    throw new OnnxImportError(file, [...context.problems, problem], { cause: error })
  }
}

function parsed(bytes: Uint8Array, file: string): ModelProto {
  try {
    return parseModel(bytes, file)
  } catch (error) {
    throw new OnnxImportError(file, [{ kind: 'file', message: reasonOf(error) }], { cause: error })
  }
}

/** A wrong option is no problem of the file. */
function checkSamples({ inputs }: Graph, samples: Readonly<Record<string, number>> = {}): void {
  for (const [name, axis] of Object.entries(samples)) {
    const info = inputs.find((input) => input.name === name)
    const rank = info?.shape?.length ?? Infinity
    if (info !== undefined && Number.isInteger(axis) && axis >= 0 && axis < rank) continue
    const wrong =
      info === undefined
        ? `there is no input "${name}"`
        : `axis ${axis} of "${name}" is none of its ${rank} axes`
    throw new BeyondgradError(
      'value',
      `importOnnx: option samples: ${wrong}; the inputs are ${inputs.map((input) => `"${input.name}"`).join(', ')}`,
    )
  }
}

function checkVersions(proto: ModelProto, opset: number, problems: ImportProblem[], notes: string[]): void {
  const format = Number(proto.irVersion)
  if (format < oldestFormat) {
    problems.push({
      kind: 'file',
      message: `the file is of version ${format} of the format; versions from ${oldestFormat} on are read`,
    })
  }
  if (format > newestFormat)
    notes.push(`the file is of version ${format} of the format, newer than ${newestFormat}`)
  if (opset > newestOpset) {
    notes.push(
      `the operators are of opset ${opset}, newer than ${newestOpset}: what has changed since then may be missing`,
    )
  }
  for (const { domain } of proto.opsetImport) {
    if (plainDomain(domain) === 'ai.onnx.preview.training')
      notes.push('operators for training are in the file')
  }
}

function checkNodes(nodes: readonly Node[], lookup: OperatorLookup, problems: ImportProblem[]): void {
  for (const node of nodes) {
    const version = lookup(node)
    let message: string | undefined
    try {
      message = version === undefined ? 'is not supported' : version.check?.(node)
    } catch (error) {
      message = `is wrong: ${reasonOf(error)}`
    }
    if (message === undefined) continue
    const { name, operator, domain, opset } = node
    problems.push({ kind: 'operator', message, node: name, operator, domain, opset })
  }
}

/** Models take tensors, and of elements that there is a dtype for. */
function checkTypes(graph: Graph, problems: ImportProblem[]): void {
  for (const { name, elementType, dtype } of graph.inputs) {
    if (dtype !== undefined || elementType === undefined) continue
    problems.push({
      kind: 'graph',
      message: `the input "${name}" is a ${elementType}, which is no tensor of a known dtype`,
      tensor: name,
    })
  }
}

function assembled<O extends ModelOutput>(
  graph: Graph,
  bytes: Uint8Array,
  lookup: OperatorLookup,
  notes: string[],
  { trainable = 'auto', batch = 'free', dtype = 'float32', samples }: ImportOptions,
): ImportedModel<O> {
  const tensors = rolesOf(graph, lookup)
  const constants = allConstants(graph)
  const values = new Map<string, AnyTensor>()
  const parameters = new Map<string, Parameter>()
  const buffers = new Map<string, Buffer>()
  const narrowed: string[] = []
  const unused: string[] = []
  for (const info of tensors) {
    const constant = constants.get(info.name)!
    const trained =
      typeof trainable === 'function' ? isFloat(constant.dtype) && trainable(info) : info.role === 'parameter'
    if (info.uses.length === 0 && !graph.outputs.some(({ name }) => name === info.name)) {
      if (constant.origin === 'initializer') unused.push(info.name)
      continue
    }
    if (trained || info.role === 'parameter') {
      if (constant.dtype === 'float64' && dtype === 'float32') narrowed.push(info.name)
      const on = trained && trainable !== 'none'
      parameters.set(info.name, parameter(info.name, floats(constant, dtype), { trainable: on }))
    } else if (info.role === 'buffer') {
      buffers.set(info.name, buffer(info.name, floats(constant, dtype)))
    }
  }
  if (narrowed.length > 0) notes.push(`double precision became single: ${list(narrowed)}`)
  if (unused.length > 0) notes.push(`nothing uses ${list(unused)}`)
  const left = tensors.filter(({ constantNode }) => constantNode).map(({ name }) => name)
  if (left.length > 0) {
    notes.push(
      `tensors of Constant nodes count as constants, since this file's weights are initializers: ${list(left)}; the option trainable can make them parameters`,
    )
  }
  notes.push(...notesOnCopies(constants, parameters))
  for (const head of probabilityHeads(graph)) notes.push(noteOf(head))
  const stored = (name: string): AnyTensor | undefined => {
    const changing = parameters.get(name) ?? buffers.get(name)
    if (changing !== undefined) return changing.value
    const known = values.get(name)
    const constant = constants.get(name)
    if (known !== undefined || constant === undefined) return known
    const value = knownTensor({
      shape: constant.shape,
      dtype: constant.dtype === 'float64' ? 'float32' : constant.dtype,
      data: constant.data,
    })
    values.set(name, value)
    return value
  }
  return modelOf<O>({
    graph,
    interpretation: { lookup, stored, folded: new Map() },
    parameters: [...parameters.values()],
    buffers: [...buffers.values()],
    tensors,
    notes,
    batch,
    samples,
    file: { bytes, stored: constants },
  })
}

/** The numbers of a parameter. `float32` is the engine's float, which doubles may stand for. */
function floats({ shape, data }: StoredConstant, dtype: 'float32' | 'float64'): NDArray {
  const kept = data instanceof Float64Array && dtype === 'float32' ? Float32Array.from(data) : data
  return { shape, dtype: 'float32', data: kept as Float32Array }
}

/** How many names a note tells. */
const told = 5

function list(names: readonly string[]): string {
  const more = names.length > told ? ` and ${names.length - told} more` : ''
  return `${names
    .slice(0, told)
    .map((name) => `"${name}"`)
    .join(', ')}${more}`
}
