/** @file An imported model: a function of tensors with parameters and buffers by their ONNX names. */
import {
  type Buffer,
  type BufferMap,
  bufferMap,
  type Module,
  type Parameter,
  type ParameterMap,
  parameterMap,
} from '@beyondgrad/autograd'
import { type AnyTensor, BeyondgradError, cast, type Tensor } from '@beyondgrad/tensor'
import {
  argumentsOf,
  declaredBatch,
  type ModelArguments,
  type SampleAxes,
  sampleAxisOf,
} from './arguments.ts'
import { withBatchSize } from './batch-size.ts'
import { describeModel } from './describe.ts'
import {
  allConstants,
  allNodes,
  type Graph,
  nodesBefore,
  operatorName,
  type StoredConstant,
  uses,
  type ValueInfo,
} from './graph.ts'
import { interpret, type Interpretation } from './interpret.ts'
import type { OperatorLookup } from './operators/index.ts'
import { outputsWithLogits, type ProbabilityHead, probabilityHeads } from './probability-heads.ts'
import { staticNames, type TensorInfo } from './roles.ts'
import { SampleLabels } from './sample-labels.ts'
import { writeModel } from './write-model.ts'

/** What a model gives: a tensor if it has one output, otherwise tensors by the outputs' names. */
export type ModelOutput = AnyTensor | Readonly<Record<string, AnyTensor>>

/** A model from an ONNX file. Calling it builds an expression, as every module; nothing is computed yet. */
export interface ImportedModel<O = Tensor> extends Module<ModelArguments, O> {
  /** The file's graph, by its name there. */
  readonly name: string
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** By their names in the file, unchanged. */
  readonly parameters: ParameterMap<Parameter>
  /** Running statistics. */
  readonly buffers: BufferMap
  /** Every tensor of the file, with its role, its uses, and why it has that role. */
  readonly tensors: readonly TensorInfo[]
  /** Names of the operators in the model and the bodies in it, with their domain in front if they are no standard ones. */
  readonly operators: ReadonlySet<string>
  /** Inputs whose content decides about shapes: give them as `constant(…)`, so that it is known while the expression is built. */
  readonly known: ReadonlySet<string>
  /** What is worth knowing and no error: newer versions, unused tensors, a batch size that was freed. */
  readonly notes: readonly string[]
  /** All outputs by their names, also where there is just one. */
  all(...inputs: ModelArguments): Readonly<Record<string, AnyTensor>>
  /** The same model, of which some parameters (default: all) are not trained. */
  freeze(which?: (name: string) => boolean): ImportedModel<O>
  /** The model up to a tensor inside of it, by its name in the file: what features are taken from. */
  cut(tensor: string): ImportedModel
  /**
   * The model up to a tensor inside of it, and another module behind it, whose parameters are called `head.…`.
   *
   * @param at the tensor that goes into the new head
   */
  replaceHead(at: string, head: Module): ImportedModel
  /** Outputs that are probabilities, and what goes into them. */
  readonly probabilities: readonly ProbabilityHead[]
  /**
   * The same model with logits in the places of outputs that are probabilities (Softmax, LogSoftmax, Sigmoid), as `notes` says they are;
   * the model itself if none is. Losses want logits: `crossEntropy`, or `bceWithLogits` for those of a Sigmoid.
   */
  withLogits(): ImportedModel<O>
  /**
   * The model as an ONNX file: the one that it was imported from, with names, operator versions and metadata unchanged, and with the
   * numbers that parameters and running statistics have now. What was in other files is in it. A model that was cut is written up to
   * there; one with another head is none of the file any more, and written by `exportOnnx` of `@beyondgrad/onnx`.
   */
  toOnnx(): Uint8Array
  /** The model in words: inputs, outputs, parameters, operators, notes. */
  describe(): string
}

/** What a training pass of `nn` does, as far as a model needs it. */
interface Pass {
  of(module: Module): (x: Tensor) => Tensor
}

/** Everything that an imported model consists of. */
export interface ModelParts {
  readonly graph: Graph
  readonly interpretation: Omit<Interpretation, 'adjust'>
  readonly parameters: readonly Parameter[]
  readonly buffers: readonly Buffer[]
  readonly tensors: readonly TensorInfo[]
  readonly notes: string[]
  /** Whether the declared batch size binds. */
  readonly batch: 'free' | 'fixed'
  /** Which axes count samples, if it is not axis 0. */
  readonly samples: SampleAxes | undefined
  readonly head?: Module
  /** The file, and the tensors in it as they were read. */
  readonly file: { readonly bytes: Uint8Array; readonly stored: ReadonlyMap<string, StoredConstant> }
  /** Outputs that the file does not have as such, with one of it that has the same type. */
  readonly likeOutputs?: ReadonlyMap<string, string>
}

const headName = 'head'

export function modelOf<O extends ModelOutput>(parts: ModelParts): ImportedModel<O> {
  const { graph, notes, head } = parts
  const isStatic = staticNames(graph)
  const all = (...given: ModelArguments): Record<string, AnyTensor> => {
    const inputs = argumentsOf(graph, given, parts)
    const exported = declaredBatch(graph, parts.samples)
    const labels = labelsOf(inputs, parts)
    const batch = {
      exported,
      labels,
      isWritten: (node: { readonly inputs: readonly string[] }, input: number) =>
        isStatic(node.inputs[input] ?? ''),
      expanded: new Map<AnyTensor, number>(),
      note: (message: string) => {
        if (!notes.includes(message)) notes.push(message)
      },
    }
    const outputs = interpret(graph, inputs, {
      ...parts.interpretation,
      adjust: (call, build) => (parts.batch === 'free' ? withBatchSize(call, build, batch) : build(call)),
    })
    return Object.fromEntries(
      graph.outputs.map(({ name, dtype }, i) => [name, inDType(outputs[i]!, dtype)] as const),
    )
  }
  const call = (apply: (x: Tensor) => Tensor, given: ModelArguments): O => {
    const outputs = all(...given)
    const [only] = Object.values(outputs)
    if (head !== undefined) return apply(only as Tensor) as unknown as O
    return (graph.outputs.length === 1 ? only : outputs) as O
  }
  const frozen = (which: (name: string) => boolean): ImportedModel<O> =>
    modelOf<O>({
      ...parts,
      parameters: parts.parameters.map((p) => (which(p.name) ? p.as({ trainable: false }) : p)),
      ...(head && { head: frozenHead(head, (name) => which(`${headName}.${name}`)) }),
    })
  const cut = (tensor: string): ModelParts => {
    if (head !== undefined) {
      throw new BeyondgradError('value', 'cut: a model with another head is not cut any more; cut it before')
    }
    return partsUpTo(parts, tensor)
  }
  const withLogits = (): ImportedModel<O> => {
    const heads = head === undefined ? probabilityHeads(graph) : []
    if (heads.length === 0) return model
    const outputs = outputsWithLogits(graph, heads)
    const likeOutputs = new Map(heads.map(({ output, logits }) => [logits, output]))
    return modelOf<O>({ ...partsTo(parts, outputs), likeOutputs })
  }
  const toOnnx = (): Uint8Array => {
    if (head !== undefined) {
      throw new BeyondgradError(
        'unsupported',
        'toOnnx: this model has a head that is no part of the file: write it with exportOnnx of @beyondgrad/onnx',
      )
    }
    const outputs = graph.outputs.map(({ name }) => ({ name, like: parts.likeOutputs?.get(name) }))
    return writeModel({ ...parts.file, outputs, changing: [...parts.parameters, ...parts.buffers] })
  }
  const joined = parameterMap([...parts.parameters, ...(head ? headParameters(head) : [])])
  const apply = (...given: ModelArguments): O => call(head ?? ((x) => x), given)
  const members = {
    inputs: graph.inputs,
    outputs: head ? [] : graph.outputs,
    parameters: joined,
    buffers: bufferMap([...parts.buffers, ...(head ? headBuffers(head) : [])]),
    tensors: parts.tensors,
    operators: new Set([...allNodes(graph)].map(operatorName)),
    known: knownInputs(graph, parts.interpretation.lookup),
    notes,
    all: head
      ? (...given: ModelArguments) => ({ [headName]: call(head, given) as unknown as AnyTensor })
      : all,
    freeze: (which: (name: string) => boolean = () => true) => frozen(which),
    cut: (tensor: string) => modelOf<Tensor>(cut(tensor)),
    replaceHead: (at: string, next: Module) => modelOf<Tensor>({ ...cut(at), head: next }),
    probabilities: head === undefined ? probabilityHeads(graph) : [],
    withLogits,
    toOnnx,
    describe: () => describeModel(graph, joined, parts),
    ...(head && {
      inTraining:
        (pass: Pass) =>
        (...given: ModelArguments): O =>
          call(pass.of(head), given),
    }),
  }
  Object.defineProperty(apply, 'name', { value: graph.name })
  const model = Object.assign(apply, members)
  return model
}

/** The samples, on the axes of the inputs that have as many entries as the first of these. */
function labelsOf(inputs: readonly AnyTensor[], { graph, samples }: ModelParts): SampleLabels {
  const axes = inputs.map((x, i) => {
    const axis = sampleAxisOf(graph, graph.inputs[i]!, samples)
    return axis !== undefined && axis < x.shape.length ? axis : undefined
  })
  const first = axes.findIndex((axis) => axis !== undefined)
  const size = first < 0 ? 1 : inputs[first]!.shape[axes[first]!]!
  const labelled = inputs.flatMap((x, i) => {
    const axis = axes[i]
    return axis !== undefined && x.shape[axis] === size ? [[x, axis] as const] : []
  })
  return new SampleLabels(size, labelled)
}

/** Inputs of the model that go, perhaps through arithmetic, where a node needs to know what is in them. */
function knownInputs(graph: Graph, lookup: OperatorLookup): Set<string> {
  const needed = new Set<string>()
  for (const node of graph.nodes.toReversed()) {
    const whole = node.outputs.some((name) => needed.has(name))
    const positions = lookup(node)?.known ?? []
    node.inputs.forEach((name, i) => {
      // The sizes of a tensor are known without its content.
      if (positions.includes(i) || (whole && node.operator !== 'Shape' && node.operator !== 'Size'))
        needed.add(name)
    })
  }
  return new Set(graph.inputs.flatMap(({ name }) => (needed.has(name) ? [name] : [])))
}

function headParameters(head: Module): Parameter[] {
  return [...head.parameters].map(([, p]) => p.as({ name: `${headName}.${p.name}` }))
}

function headBuffers(head: Module): Buffer[] {
  const buffers = (head as { readonly buffers?: BufferMap }).buffers ?? []
  return [...buffers].map(([, b]) => b.as({ name: `${headName}.${b.name}` }))
}

function frozenHead(head: Module, which: (name: string) => boolean): Module {
  const parameters = [...head.parameters].map(([, p]) => (which(p.name) ? p.as({ trainable: false }) : p))
  return Object.assign((x: Tensor) => head(x), head, { parameters: parameterMap(parameters) })
}

function partsUpTo(parts: ModelParts, tensor: string): ModelParts {
  const { graph } = parts
  if (!graph.nodes.some(({ outputs }) => tensor !== '' && outputs.includes(tensor))) {
    const names = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '')
    throw new BeyondgradError(
      'missing-key',
      `cut: no node of the model makes "${tensor}"; there are ${names.length} tensors, the last of them ${names.slice(-5).join(', ')}`,
    )
  }
  const info = graph.outputs.find(({ name }) => name === tensor)
  return partsTo(parts, [
    info ?? { name: tensor, dtype: undefined, elementType: undefined, shape: undefined },
  ])
}

/** A model that gives something else of what it computes, without what only other outputs need. */
function partsTo(parts: ModelParts, outputs: readonly ValueInfo[]): ModelParts {
  const { graph } = parts
  const names = outputs.map(({ name }) => name)
  const nodes = nodesBefore(graph.nodes, names)
  const inBodies = allConstants({ constants: new Map(), nodes }).keys()
  const used = new Set([...names, ...nodes.flatMap(uses), ...inBodies])
  const inside = ({ name }: { readonly name: string }): boolean => used.has(name)
  return {
    ...parts,
    notes: [...parts.notes],
    graph: { ...graph, nodes, inputs: graph.inputs.filter(inside), outputs },
    parameters: parts.parameters.filter(inside),
    buffers: parts.buffers.filter(inside),
  }
}

/** Outputs have the dtype that the file declares; floats are the engine's. */
function inDType(x: AnyTensor, dtype: ValueInfo['dtype']): AnyTensor {
  const target = dtype === 'float64' ? 'float32' : dtype
  return target === undefined || x.dtype === target ? x : cast(x, target)
}
