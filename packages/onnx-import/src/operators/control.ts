/** @file If, Loop and Scan: what they depend on must be known, so that branches are taken and loops written out. */
import { type AnyTensor, reshape, slice, stack, type Tensor, flip, moveAxes } from '@beyondgrad/tensor'
import type { Node } from '../graph.ts'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** Steps that are written out at most. */
const mostSteps = 10_000

function branch(call: OperatorCall): AnyTensor[] {
  const condition = call.content(0)
  return call.body(call.attributes.graph(condition?.[0] ? 'then_branch' : 'else_branch'), [])
}

/** Values that go from step to step, then those of all steps, stacked. */
function loop(call: OperatorCall): AnyTensor[] {
  const body = call.attributes.graph('body')
  const count = call.has(0) ? call.scalar(0) : Infinity
  let running = call.has(1) ? Boolean(call.content(1)![0]) : true
  let carried = call.inputs.slice(2)
  const collected = body.outputs.slice(1 + carried.length).map((): AnyTensor[] => [])
  for (let i = 0; i < count && running; i++) {
    if (i >= mostSteps) call.fail(`the loop does not end within ${mostSteps} steps`)
    const index = call.known({ shape: [], dtype: 'int64', data: BigInt64Array.of(BigInt(i)) })
    const truth = call.known({ shape: [], dtype: 'bool', data: Uint8Array.of(1) })
    const [next, ...rest] = call.body(body, [index, truth, ...carried])
    carried = rest.slice(0, carried.length)
    rest.slice(carried.length).forEach((value, k) => collected[k]!.push(value))
    const go = call.contentOf(next!)
    if (go === undefined)
      call.fail('whether it goes on is computed from data, and must be known before anything runs')
    running = Boolean(go[0])
  }
  return [...carried.map((value) => value!), ...collected.map((list) => stacked(call, list, 0))]
}

function stacked(call: OperatorCall, list: readonly AnyTensor[], axis: number): AnyTensor {
  if (list.length === 0) call.fail('the loop runs no step, so that what it collects has no shape')
  const y = stack(list as readonly Tensor[])
  return axis === 0 ? y : moveAxes(y, [0], [axis])
}

/** A loop over the positions of an axis. */
function scan(call: OperatorCall): AnyTensor[] {
  const { attributes } = call
  const body = attributes.graph('body')
  const count = attributes.int('num_scan_inputs')
  const states = call.inputs.length - count
  const turned = (name: string, i: number): boolean => attributes.ints(name)?.[i] === 1
  const sequences = call.inputs.slice(states).map((_, i) => {
    const x = call.any(states + i)
    const axis = attributes.ints('scan_input_axes')?.[i] ?? 0
    const first = moveAxes(x, [axis], [0])
    return turned('scan_input_directions', i) ? flip(first, [0]) : first
  })
  const steps = sequences[0]?.shape[0] ?? 0
  if (steps > mostSteps) call.fail(`more than ${mostSteps} steps are not written out`)
  let carried: readonly (AnyTensor | undefined)[] = call.inputs.slice(0, states)
  const collected = body.outputs.slice(states).map((): AnyTensor[] => [])
  for (let i = 0; i < steps; i++) {
    const now = sequences.map((x) => reshape(slice(x, 0, i, i + 1), x.shape.slice(1)))
    const results = call.body(body, [...carried, ...now])
    carried = results.slice(0, states)
    results.slice(states).forEach((value, k) => collected[k]!.push(value))
  }
  const outputs = collected.map((list, k) => {
    const ordered = turned('scan_output_directions', k) ? list.toReversed() : list
    return stacked(call, ordered, attributes.ints('scan_output_axes')?.[k] ?? 0)
  })
  return [...carried.map((value) => value!), ...outputs]
}

const oldScan = (node: Node): string | undefined =>
  node.opset < 9 ? 'has another form before opset 9, which is not read' : undefined

export const controls: OperatorTable = {
  If: operator(branch, { known: [0] }),
  Loop: operator(loop, { known: [0, 1] }),
  Scan: operator(scan, { check: oldScan }),
}
