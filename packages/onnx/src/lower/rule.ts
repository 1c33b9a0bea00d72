/** @file What a lowering rule is and sees. */
import { type AnyTensor, BeyondgradError } from '@beyondgrad/tensor'
import type { Emitter, Value } from './emitter.ts'

/** The graph around a node, as far as a rule may look. */
export interface Lowering {
  readonly emit: Emitter
  /** What stands for a node that was lowered already: every input, and everything below the inputs. */
  value(node: AnyTensor): Value
  /** How often a node is used, outputs of the graph included. */
  uses(node: AnyTensor): number
  /** Nodes of the whole graph that have this node as an input. */
  users(node: AnyTensor): readonly AnyTensor[]
}

/** Writes one node as operators; `inputs` are what stands for its inputs. */
export type Rule = (node: AnyTensor, inputs: readonly Value[], lowering: Lowering) => Value

export type Rules = Readonly<Record<string, Rule>>

/** For what ONNX Runtime cannot do. */
export function unsupported(node: AnyTensor, why: string): BeyondgradError {
  const shapes = node.inputs.map((x) => `${x.dtype}[${x.shape.join(', ')}]`).join(' and ')
  return new BeyondgradError('unsupported', `${node.op.name} of ${shapes} has no form in ONNX: ${why}`)
}
