/** @file Comparison and logic. */
import type { AnyTensor } from '@beyondgrad/tensor'
import type { Emitter, Value } from './emitter.ts'
import { cast, pointwise } from './pointwise.ts'
import type { Rule, Rules } from './rule.ts'

/** ONNX Runtime orders numbers only. */
const ordered = (emit: Emitter, x: Value): Value => (x.dtype === 'bool' ? cast(emit, x, 'int32') : x)

const compare = (emit: Emitter, opType: string, [a, b]: readonly Value[]): Value =>
  pointwise(emit, opType, [ordered(emit, a!), ordered(emit, b!)], 'bool')

const comparison =
  (opType: string): Rule =>
  (_node, inputs, { emit }) =>
    compare(emit, opType, inputs)

const connective =
  (opType: string): Rule =>
  (_node, [a, b], { emit }) =>
    pointwise(emit, opType, [a!, b!])

const orEqual: Readonly<Record<string, string>> = { less: 'LessOrEqual', greater: 'GreaterOrEqual' }

/** What `lessEqual` and `greaterEqual` are made of is one operator. */
const or: Rule = (node, inputs, lowering) => {
  const [strict, equal] = node.inputs as [AnyTensor, AnyTensor]
  const opType = Object.hasOwn(orEqual, strict.op.name) ? orEqual[strict.op.name] : undefined
  const same = equal.op.name === 'equal' && equal.inputs.every((x, i) => x === strict.inputs[i])
  if (opType === undefined || !same) return connective('Or')(node, inputs, lowering)
  return compare(
    lowering.emit,
    opType,
    strict.inputs.map((input) => lowering.value(input)),
  )
}

export const logicalRules: Rules = {
  equal: (_node, [a, b], { emit }) => pointwise(emit, 'Equal', [a!, b!], 'bool'),
  less: comparison('Less'),
  greater: comparison('Greater'),
  logicalNot: (_node, [x], { emit }) => pointwise(emit, 'Not', [x!]),
  logicalAnd: connective('And'),
  logicalOr: or,
}
