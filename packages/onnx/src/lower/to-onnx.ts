/** @file A graph of primitives as an ONNX model. */
import {
  type AnyTensor,
  BeyondgradError,
  constantData,
  type Graph,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { empty } from './arrange.ts'
import { contractRules } from './contract.ts'
import { convolutionRules } from './convolution.ts'
import { divisionRules } from './division.ts'
import { elementwiseRules } from './elementwise.ts'
import { Emitter, type Value } from './emitter.ts'
import { gatherRules } from './gather.ts'
import { logicalRules } from './logical.ts'
import { movementRules } from './movement.ts'
import { poolRules } from './pool.ts'
import { rectifyAfterPools } from './rectified-pool.ts'
import { reduceRules } from './reduce.ts'
import type { Lowering, Rules } from './rule.ts'
import { transcendentalRules } from './transcendental.ts'
import { windowRules } from './window.ts'

export interface ToOnnxOptions {
  /** Names of the model's inputs, in the order of the graph's; default `x0`, `x1`, … */
  readonly inputs?: readonly string[]
  /** Names of the model's outputs; default `y0`, `y1`, … */
  readonly outputs?: readonly string[]
  /** Name of the model's graph. */
  readonly name?: string
  /**
   * Writes for ONNX Runtime on processors: with operators that only it has (domain `com.microsoft`), and samples last in
   * memory where its kernels are quicker so. Default: false, a file for everybody.
   */
  readonly contrib?: boolean
}

export interface OnnxFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/** AveragePool knows dilation since 19, Col2Im exists since 18. */
export const opset = 20

const rules: Rules = {
  ...elementwiseRules,
  ...divisionRules,
  ...logicalRules,
  ...transcendentalRules,
  ...movementRules,
  ...reduceRules,
  ...contractRules,
  ...windowRules,
  ...convolutionRules,
  ...poolRules,
  ...gatherRules,
}

/** Writes a graph of primitives – as engines get it – as an ONNX model. */
export function toOnnx(graph: Graph, options: ToOnnxOptions = {}): OnnxFile {
  const inputs = options.inputs ?? graph.inputs.map((_, i) => `x${i}`)
  const outputs = options.outputs ?? graph.outputs.map((_, i) => `y${i}`)
  checkNames('inputs', inputs, graph.inputs.length)
  checkNames('outputs', outputs, graph.outputs.length)
  const emit = new Emitter(options.contrib ?? false)
  const values = new Map<AnyTensor, Value>()
  graph.inputs.forEach((input, i) => values.set(input, emit.input(inputs[i]!, input)))
  const computed = rectifyAfterPools(graph.outputs)
  // ONNX Runtime runs the input with the highest number first: written last to first, long sums are run as they were built,
  // and their operands freed one by one.
  const order = topologicalOrder(computed, undefined, true)
  const lowering = loweringOf(emit, values, order, computed)
  for (const node of order) {
    if (!values.has(node)) values.set(node, lower(node, lowering))
  }
  const named = computed.map((output, i) => ({ name: outputs[i]!, value: values.get(output)! }))
  return { bytes: emit.write(named, { opset, name: options.name }), inputs, outputs }
}

function loweringOf(
  emit: Emitter,
  values: ReadonlyMap<AnyTensor, Value>,
  order: readonly AnyTensor[],
  outputs: readonly AnyTensor[],
): Lowering {
  const users = new Map<AnyTensor, AnyTensor[]>()
  for (const node of order) {
    for (const input of new Set(node.inputs)) {
      const known = users.get(input)
      if (known === undefined) users.set(input, [node])
      else known.push(node)
    }
  }
  const asOutput = new Set(outputs)
  return {
    emit,
    value: (node) => values.get(node)!,
    uses: (node) => (users.get(node)?.length ?? 0) + (asOutput.has(node) ? 1 : 0),
    users: (node) => users.get(node) ?? [],
  }
}

function lower(node: AnyTensor, lowering: Lowering): Value {
  const { emit } = lowering
  const { name, family } = node.op
  if (node.shape.includes(0)) return empty(emit, node.dtype, node.shape)
  const data = constantData(node)
  if (data !== undefined) return emit.constant(node.dtype, node.shape, data)
  if (family === 'composite' || family === 'guard') {
    throw new BeyondgradError(
      'engine',
      `toOnnx: "${name}" is a ${family} node, which stands for other ops; give toOnnx the graph that engines get, where it is expanded`,
    )
  }
  if (family === 'leaf') {
    throw new BeyondgradError(
      'engine',
      `toOnnx: a "${name}" leaf of shape [${node.shape.join(', ')}] is not among the inputs of the graph; list it there`,
    )
  }
  const rule = rules[name]
  if (rule === undefined) {
    throw new BeyondgradError(
      'unsupported',
      `toOnnx: there is no rule that writes op "${name}" to ONNX; express it in primitives`,
    )
  }
  return rule(
    node,
    node.inputs.map((input) => lowering.value(input)),
    lowering,
  )
}

function checkNames(what: string, names: readonly string[], count: number): void {
  if (names.length !== count) {
    throw new BeyondgradError(
      'value',
      `toOnnx: ${names.length} names [${names.join(', ')}] for ${count} ${what}; give one each`,
    )
  }
}
