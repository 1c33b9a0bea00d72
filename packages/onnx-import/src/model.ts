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
import { type AnyTensor, BeyondgradError, cast, formatShape, isTensor, type Tensor } from '@beyondgrad/tensor'
import { withBatchSize } from './batch-size.ts'
import { describeModel } from './describe.ts'
import { type Dimension, type Graph, nodesBefore, uses, type ValueInfo } from './graph.ts'
import { interpret, type Interpretation } from './interpret.ts'
import type { OperatorLookup } from './operators/index.ts'
import { staticNames, type TensorInfo } from './roles.ts'
import { SampleLabels } from './sample-labels.ts'

/** What a model gives: a tensor if it has one output, otherwise tensors by the outputs' names. */
export type ModelOutput = AnyTensor | Readonly<Record<string, AnyTensor>>

/** What a model is called with: tensors in the order of its inputs, or one object with tensors by the inputs' names. */
export type ModelArguments = readonly (AnyTensor | Readonly<Record<string, AnyTensor>>)[]

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
  /** Names of the operators in the model, with their domain in front if they are no standard ones. */
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
  readonly head?: Module
}

const headName = 'head'

export function modelOf<O extends ModelOutput>(parts: ModelParts): ImportedModel<O> {
  const { graph, notes, head } = parts
  const isStatic = staticNames(graph)
  const all = (...given: ModelArguments): Record<string, AnyTensor> => {
    const inputs = argumentsOf(graph, given, parts.batch)
    const exported = declaredBatch(graph)
    const first = inputs.find((x) => x.shape.length > 0)
    const labels = new SampleLabels(
      first?.shape[0] ?? 1,
      inputs.filter(
        (x, i) => x.shape.length > 0 && x.shape[0] === first?.shape[0] && carriesSamples(graph, i),
      ),
    )
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
  const joined = parameterMap([...parts.parameters, ...(head ? headParameters(head) : [])])
  const model = (...given: ModelArguments): O => call(head ?? ((x) => x), given)
  const members = {
    inputs: graph.inputs,
    outputs: head ? [] : graph.outputs,
    parameters: joined,
    buffers: bufferMap([...parts.buffers, ...(head ? headBuffers(head) : [])]),
    tensors: parts.tensors,
    operators: operatorsOf(graph),
    known: knownInputs(graph, parts.interpretation.lookup),
    notes,
    all: head
      ? (...given: ModelArguments) => ({ [headName]: call(head, given) as unknown as AnyTensor })
      : all,
    freeze: (which: (name: string) => boolean = () => true) => frozen(which),
    cut: (tensor: string) => modelOf<Tensor>(cut(tensor)),
    replaceHead: (at: string, next: Module) => modelOf<Tensor>({ ...cut(at), head: next }),
    describe: () => describeModel(graph, joined, parts),
    ...(head && {
      inTraining:
        (pass: Pass) =>
        (...given: ModelArguments): O =>
          call(pass.of(head), given),
    }),
  }
  Object.defineProperty(model, 'name', { value: graph.name })
  return Object.assign(model, members)
}

function operatorsOf(graph: Graph): Set<string> {
  return new Set(
    graph.nodes.map(({ operator, domain }) => (domain === '' ? operator : `${domain}.${operator}`)),
  )
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
  const nodes = nodesBefore(graph.nodes, [tensor])
  const info = graph.outputs.find(({ name }) => name === tensor)
  const used = new Set(nodes.flatMap(uses))
  const inside = (name: string): boolean => used.has(name)
  return {
    ...parts,
    graph: {
      ...graph,
      nodes,
      inputs: graph.inputs.filter(({ name }) => used.has(name)),
      outputs: [info ?? { name: tensor, dtype: undefined, elementType: undefined, shape: undefined }],
    },
    parameters: parts.parameters.filter(({ name }) => inside(name)),
    buffers: parts.buffers.filter(({ name }) => inside(name)),
  }
}

/** Outputs have the dtype that the file declares; floats are the engine's. */
function inDType(x: AnyTensor, dtype: ValueInfo['dtype']): AnyTensor {
  const target = dtype === 'float64' ? 'float32' : dtype
  return target === undefined || x.dtype === target ? x : cast(x, target)
}

/** The number of samples that the file declares. */
function declaredBatch({ inputs }: Graph): number | undefined {
  const first = inputs.find(({ shape }) => shape !== undefined && shape.length > 0)?.shape?.[0]
  return typeof first === 'number' ? first : undefined
}

/** Whether axis 0 of an input counts samples: it is declared as that of the first. */
function carriesSamples({ inputs }: Graph, i: number): boolean {
  const first = inputs.find(({ shape }) => shape !== undefined && shape.length > 0)?.shape?.[0]
  const own = inputs[i]!.shape?.[0]
  return own === undefined || own === first || typeof own !== typeof first
}

function argumentsOf(graph: Graph, given: ModelArguments, batch: 'free' | 'fixed'): AnyTensor[] {
  const list = isRecord(given)
    ? graph.inputs.map(({ name }) => (Object.hasOwn(given[0], name) ? given[0][name] : undefined))
    : (given as readonly AnyTensor[])
  if (isRecord(given)) {
    const odd = Object.keys(given[0]).find((name) => !graph.inputs.some((input) => input.name === name))
    if (odd !== undefined) throw wrong(graph, `there is no input "${odd}"`)
  } else if (given.length > graph.inputs.length) {
    throw wrong(graph, `${given.length} tensors are too many`)
  }
  const sizes = new Map<string, number>()
  return graph.inputs.map((info, i) => {
    const x = list[i]
    if (!isTensor(x))
      throw wrong(graph, `input "${info.name}" is ${x === undefined ? 'missing' : 'no tensor'}`)
    checkShape(graph, info, i, x, sizes, batch)
    return checkDType(graph, info, x)
  })
}

function isRecord(given: ModelArguments): given is readonly [Readonly<Record<string, AnyTensor>>] {
  return given.length === 1 && typeof given[0] === 'object' && given[0] !== null && !isTensor(given[0])
}

function wrong(
  { name, inputs }: Graph,
  message: string,
  code: 'value' | 'shape' | 'dtype' = 'value',
): BeyondgradError {
  const wanted = inputs.map((info) => `${info.name} ${formatDimensions(info.shape)}`)
  return new BeyondgradError(
    code,
    `the model ${name || 'from ONNX'}: ${message}; it takes ${wanted.join(', ') || 'nothing'}`,
  )
}

/** `[N, 3, ?]`. */
function formatDimensions(shape: readonly Dimension[] | undefined): string {
  return shape === undefined ? '[any shape]' : `[${shape.map((size) => size ?? '?').join(', ')}]`
}

function checkShape(
  graph: Graph,
  info: ValueInfo,
  i: number,
  x: AnyTensor,
  sizes: Map<string, number>,
  batch: 'free' | 'fixed',
): void {
  const { shape } = info
  if (shape === undefined) return
  const fits =
    shape.length === x.shape.length &&
    shape.every((size, axis) => {
      if (axis === 0 && batch === 'free' && typeof size === 'number' && carriesSamples(graph, i)) return true
      return typeof size !== 'number' || size === x.shape[axis]
    })
  if (!fits) throw wrong(graph, `input "${info.name}" can't be ${formatShape(x.shape)}`, 'shape')
  shape.forEach((size, axis) => {
    if (typeof size !== 'string') return
    const before = sizes.get(size)
    const now = x.shape[axis]!
    if (before !== undefined && before !== now) {
      throw wrong(graph, `"${size}" is ${before} in one input and ${now} in "${info.name}"`, 'shape')
    }
    sizes.set(size, now)
  })
}

/** Integers of the other width are taken, too; everything else must be what the file says. */
function checkDType(graph: Graph, { name, dtype }: ValueInfo, x: AnyTensor): AnyTensor {
  const target = dtype === 'float64' ? 'float32' : dtype
  const integers = (of: string | undefined): boolean => of === 'int32' || of === 'int64'
  if (target === undefined || x.dtype === target) return x
  if (integers(target) && integers(x.dtype)) return cast(x, target)
  if (target === 'float32' && x.dtype === 'float64') return cast(x, target)
  throw wrong(graph, `input "${name}" must hold ${target}, not ${x.dtype}`, 'dtype')
}
