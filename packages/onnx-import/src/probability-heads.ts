/**
 * @file Outputs that are probabilities: Softmax, LogSoftmax or Sigmoid at the end of a model. Losses want what goes into them: it is exact
 * where probabilities are 0 or 1 in single precision, and its curvature is known.
 */
import type { Graph, Node } from './graph.ts'

/** An output that a Softmax, LogSoftmax or Sigmoid makes. */
export interface ProbabilityHead {
  /** The output's name. */
  readonly output: string
  readonly operator: 'Softmax' | 'LogSoftmax' | 'Sigmoid'
  /** The axis of the classes, as the file counts it. Undefined for Sigmoid. */
  readonly axis: number | undefined
  /** The tensor that goes into it. */
  readonly logits: string
}

/** Operators between the head and the output that change no number. */
const passing = new Set(['Identity', 'Cast'])

/** The outputs of a graph that are probabilities, or their logarithms. */
export function probabilityHeads(graph: Graph): ProbabilityHead[] {
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const name of node.outputs) makers.set(name, node)
  return graph.outputs.flatMap(({ name }) => {
    let node = makers.get(name)
    let isLog = false
    while (
      node !== undefined &&
      node.domain === '' &&
      (passing.has(node.operator) || node.operator === 'Log')
    ) {
      if (node.operator === 'Log' && isLog) return []
      isLog ||= node.operator === 'Log'
      node = makers.get(node.inputs[0] ?? '')
    }
    const head = node && headOf(node)
    if (head === undefined || !makers.has(head.logits) || (isLog && head.operator !== 'Softmax')) return []
    return [{ ...head, output: name, operator: isLog ? 'LogSoftmax' : head.operator }]
  })
}

function headOf(node: Node): Omit<ProbabilityHead, 'output'> | undefined {
  const [logits = ''] = node.inputs
  if (node.domain !== '') return undefined
  switch (node.operator) {
    case 'Sigmoid':
      return { operator: 'Sigmoid', axis: undefined, logits }
    case 'Softmax':
    case 'LogSoftmax':
      return { operator: node.operator, axis: axisOf(node), logits }
    default:
      return undefined
  }
}

/** Up to opset 12 it is over this axis and all behind it. An axis that is no integer is told when the model is called. */
function axisOf({ attributes, opset }: Node): number {
  const given = attributes.get('axis')
  if (given?.kind === 'int') return Number(given.value)
  return opset < 13 ? 1 : -1
}

/** What a model says of such an output. */
export function noteOf({ output, operator, axis, logits }: ProbabilityHead): string {
  const along = axis === undefined ? '' : ` along axis ${axis}`
  const loss = axis === undefined ? 'bceWithLogits' : 'crossEntropy'
  return `the output "${output}" is the ${operator}${along} of "${logits}": for ${loss}, withLogits() gives the model that ends there`
}

/** The graph with the logits in the places of probabilities; nodes that nothing needs any more are left. */
export function outputsWithLogits(graph: Graph, heads: readonly ProbabilityHead[]): Graph['outputs'] {
  const byOutput = new Map(heads.map((head) => [head.output, head]))
  return graph.outputs.map((info) => {
    const head = byOutput.get(info.name)
    return head === undefined ? info : { ...info, name: head.logits }
  })
}
