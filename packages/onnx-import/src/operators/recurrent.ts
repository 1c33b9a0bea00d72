/** @file RNN, GRU and LSTM, unrolled in time. Gates stand in ONNX's order: z, r, h and i, o, f, c. */
import {
  add,
  type AnyTensor,
  cast,
  clip,
  elu,
  leakyRelu,
  less,
  matmul,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  softplus,
  softsign,
  hardTanh,
  stack,
  sub,
  tanh,
  type Tensor,
  transpose,
  transposeLast,
  where,
  greaterEqual,
  zeros,
} from '@beyondgrad/tensor'
import type { Node } from '../graph.ts'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

type Activation = (x: Tensor, alpha: number | undefined, beta: number | undefined) => Tensor

const activations: Readonly<Record<string, Activation | undefined>> = {
  relu: (x) => relu(x),
  tanh: (x) => tanh(x),
  sigmoid: (x) => sigmoid(x),
  affine: (x, alpha = 1, beta = 0) => add(mul(x, alpha), beta),
  leakyrelu: (x, alpha = 0.01) => leakyRelu(x, { negativeSlope: alpha }),
  thresholdedrelu: (x, alpha = 1) => where(greaterEqual(x, alpha), x, 0),
  scaledtanh: (x, alpha = 1, beta = 1) => mul(tanh(mul(x, beta)), alpha),
  hardsigmoid: (x, alpha = 0.2, beta = 0.5) => hardTanh(add(mul(x, alpha), beta), { minVal: 0, maxVal: 1 }),
  elu: (x, alpha = 1) => elu(x, { alpha }),
  softsign: (x) => softsign(x),
  softplus: (x) => softplus(x),
}

/** The weights and activations of one direction, and what it begins with. */
interface Direction {
  /** X W' + bias of the input, for all steps: [T, N, gates × H]. */
  readonly projected: Tensor
  /** [H, gates × H]. */
  readonly recurrent: Tensor
  readonly recurrentBias: Tensor | undefined
  readonly peepholes: Tensor | undefined
  readonly hidden: number
  readonly activate: readonly ((x: Tensor) => Tensor)[]
}

/** What goes from step to step: h, and for LSTM c. */
type State = readonly Tensor[]
type Step = (x: Tensor, state: State, of: Direction) => State

const gate = (x: Tensor, hidden: number, i: number): Tensor =>
  slice(x, x.shape.length - 1, i * hidden, (i + 1) * hidden)

const rnnStep: Step = (x, [h], { recurrent, recurrentBias, activate }) => {
  const sum = add(x, matmul(h!, recurrent))
  return [activate[0]!(recurrentBias ? add(sum, recurrentBias) : sum)]
}

function gruStep(linearBeforeReset: boolean): Step {
  return (x, [h], { recurrent, recurrentBias, activate, hidden }) => {
    const [gates, output] = activate as [(x: Tensor) => Tensor, (x: Tensor) => Tensor]
    const weights = (from: number, to: number): Tensor => slice(recurrent, 1, from * hidden, to * hidden)
    const bias = (from: number, to: number): Tensor | undefined =>
      recurrentBias && slice(recurrentBias, 0, from * hidden, to * hidden)
    const plus = (y: Tensor, b: Tensor | undefined): Tensor => (b ? add(y, b) : y)
    const both = gates(plus(add(slice(x, 1, 0, 2 * hidden), matmul(h!, weights(0, 2))), bias(0, 2)))
    const [update, reset] = [gate(both, hidden, 0), gate(both, hidden, 1)]
    const last = gate(x, hidden, 2)
    const candidate = linearBeforeReset
      ? output(add(last, mul(reset, plus(matmul(h!, weights(2, 3)), bias(2, 3)))))
      : output(plus(add(last, matmul(mul(reset, h!), weights(2, 3))), bias(2, 3)))
    return [add(mul(sub(1, update), candidate), mul(update, h!))]
  }
}

function lstmStep(inputForget: boolean): Step {
  return (x, [h, c], { recurrent, recurrentBias, activate, hidden, peepholes }) => {
    const [gates, cell, output] = activate as [
      (x: Tensor) => Tensor,
      (x: Tensor) => Tensor,
      (x: Tensor) => Tensor,
    ]
    const sum = add(x, matmul(h!, recurrent))
    const z = recurrentBias ? add(sum, recurrentBias) : sum
    const peeped = (i: number, p: number, of: Tensor): Tensor => {
      const plain = gate(z, hidden, i)
      return peepholes ? add(plain, mul(gate(peepholes, hidden, p), of)) : plain
    }
    const input = gates(peeped(0, 0, c!))
    const forget = inputForget ? sub(1, input) : gates(peeped(2, 2, c!))
    const next = add(mul(forget, c!), mul(input, cell(gate(z, hidden, 3))))
    return [mul(gates(peeped(1, 1, next)), output(next)), next]
  }
}

interface Kind {
  readonly gates: number
  readonly states: number
  readonly usual: readonly string[]
  readonly step: (call: OperatorCall) => Step
}

function activationsOf(call: OperatorCall, { usual }: Kind, direction: number): ((x: Tensor) => Tensor)[] {
  const { attributes } = call
  const names = attributes.strings('activations') ?? []
  const limit = attributes.has('clip') ? attributes.float('clip') : undefined
  return usual.map((standard, i) => {
    const at = direction * usual.length + i
    const name = names[at] ?? standard
    const apply = activations[name.toLowerCase()] ?? call.fail(`there is no activation "${name}"`)
    const [alpha, beta] = [
      attributes.floats('activation_alpha')?.[at],
      attributes.floats('activation_beta')?.[at],
    ]
    return (x) => apply(limit === undefined ? x : clip(x, -limit, limit), alpha, beta)
  })
}

/** One direction of a tensor that has them on axis 0. */
function ofDirection(x: Tensor, direction: number): Tensor {
  return reshape(slice(x, 0, direction, direction + 1), x.shape.slice(1))
}

/** A state to begin with, [N, H]; zeros if there is none. */
function initial(
  call: OperatorCall,
  input: number,
  direction: number,
  samples: number,
  hidden: number,
): Tensor {
  if (!call.has(input)) return zeros([samples, hidden])
  const given = call.float(input)
  const batchFirst = call.attributes.int('layout', 0) === 1
  const state = ofDirection(batchFirst ? transpose(given, [1, 0, 2]) : given, direction)
  if (state.shape[0] === samples) return state
  return call.fail(`input ${input} holds states for ${state.shape[0]} samples, but there are ${samples}`)
}

function unrolled(call: OperatorCall, kind: Kind): AnyTensor[] {
  const { attributes } = call
  const batchFirst = attributes.int('layout', 0) === 1
  const x = batchFirst ? transpose(call.float(0), [1, 0, 2]) : call.float(0)
  const [time, samples] = [x.shape[0]!, x.shape[1]!]
  const way = attributes.string('direction', 'forward')
  const backward = way === 'forward' ? [false] : way === 'reverse' ? [true] : [false, true]
  const hidden = call.float(2).shape[2]!
  const lengths = lengthsOf(call, time)
  const step = kind.step(call)
  const runs = backward.map((reverse, d) => {
    const bias = call.has(3) ? ofDirection(call.float(3), d) : undefined
    const width = kind.gates * hidden
    const product = matmul(x, transposeLast(ofDirection(call.float(1), d)))
    const of: Direction = {
      projected: bias ? add(product, slice(bias, 0, 0, width)) : product,
      recurrent: transposeLast(ofDirection(call.float(2), d)),
      recurrentBias: bias && slice(bias, 0, width, 2 * width),
      peepholes: call.has(7) ? ofDirection(call.float(7), d) : undefined,
      hidden,
      activate: activationsOf(call, kind, d),
    }
    let state: State = Array.from({ length: kind.states }, (_, i) => initial(call, 5 + i, d, samples, hidden))
    const outputs = new Array<Tensor>(time)
    for (let i = 0; i < time; i++) {
      const t = reverse ? time - 1 - i : i
      const now = step(ofDirection(of.projected, t), state, of)
      if (lengths === undefined) {
        state = now
        outputs[t] = state[0]!
        continue
      }
      // Beyond its end a sequence keeps its state, and its outputs are 0.
      const running = reshape(less<'int32'>(sub<'int32'>(t, lengths), 0), [samples, 1])
      const before = state
      state = now.map((value, s) => where(running, value, before[s]!))
      outputs[t] = where(running, now[0]!, 0)
    }
    return { outputs: stack(outputs), state }
  })
  const last = Array.from({ length: kind.states }, (_, s) => stack(runs.map(({ state }) => state[s]!)))
  const all = stack(
    runs.map(({ outputs }) => outputs),
    1,
  )
  if (!batchFirst) return [all, ...last]
  return [transpose(all, [2, 0, 1, 3]), ...last.map((state) => transpose(state, [1, 0, 2]))]
}

/** Lengths of the sequences; undefined if all are as long as there are steps. */
function lengthsOf(call: OperatorCall, time: number): Tensor<'int32'> | undefined {
  if (!call.has(4)) return undefined
  const known = call.contentIfKnown(4)
  if (known?.data.every((length) => Number(length) === time)) return undefined
  return cast(call.any(4), 'int32')
}

const checkInputs = (node: Node): string | undefined =>
  node.inputs.length < 3 ? 'needs an input, weights and recurrent weights' : undefined

const recurrent = (kind: Kind): OperatorTable[string] =>
  operator((call) => unrolled(call, kind), { settings: [4, 5, 6], check: checkInputs })

export const recurrents: OperatorTable = {
  GRU: recurrent({
    gates: 3,
    states: 1,
    usual: ['Sigmoid', 'Tanh'],
    step: (call) => gruStep(call.attributes.flag('linear_before_reset')),
  }),
  LSTM: recurrent({
    gates: 4,
    states: 2,
    usual: ['Sigmoid', 'Tanh', 'Tanh'],
    step: (call) => lstmStep(call.attributes.flag('input_forget')),
  }),
  RNN: recurrent({ gates: 1, states: 1, usual: ['Tanh'], step: () => rnnStep }),
}
