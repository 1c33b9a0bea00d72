/**
 * @file Recurrent layers, unrolled over their sequence. Parameters are named and laid out as PyTorch's. One thing differs:
 * `batchFirst` is true unless said otherwise, as axis 0 counts the samples everywhere here.
 */
import { type Module, type Parameter, parameter } from '@beyondgrad/autograd'
import {
  add,
  concat,
  formatShape,
  matmul,
  mul,
  relu,
  ShapeError,
  sigmoid,
  slice,
  split,
  squeeze,
  stack,
  sub,
  tanh,
  type Tensor,
  transpose,
  zeros,
} from '@beyondgrad/tensor'
import { fanInUniform, nextSeed } from '../initialization.ts'
import { layerOf } from '../module.ts'
import type { TrainingPass } from '../training-pass.ts'
import { dropWith } from './dropout.ts'
import { demandPositive, demandProbability } from './sizes.ts'

export interface RecurrentOptions {
  /** Layers on top of each other. Default: 1. */
  readonly numLayers?: number
  /** Default: true. */
  readonly bias?: boolean
  /** [N, L, …] rather than [L, N, …]. Default: true, unlike PyTorch. */
  readonly batchFirst?: boolean
  /** Share of each layer's outputs but the last's that training drops. Default: 0. */
  readonly dropout?: number
  /** Whether a second layer reads the sequence from its end. Default: false. */
  readonly bidirectional?: boolean
  /** Determines initial numbers and masks. Default: counts up with every layer. */
  readonly seed?: number
}

export interface RNNOptions extends RecurrentOptions {
  /** Default: 'tanh'. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** The sequence and the initial state [layers · directions, N, hidden] (default: zeros). */
export type RecurrentInputs<S> = [sequence: Tensor, state?: S]

/** The last layer's output at every position, [N, L, directions · hidden], and the final state of every layer. */
export type RecurrentResult<S> = readonly [output: Tensor, state: S]

/** Hidden and cell state, each [layers · directions, N, hidden]. */
export type LSTMState = readonly [hidden: Tensor, cell: Tensor]

/**
 * hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh). Parameters for layer k: weight_ih_lk [hidden, inputs],
 * weight_hh_lk [hidden, hidden], bias_ih_lk, bias_hh_lk [hidden]; those that read backward end in _reverse.
 */
export function RNN(
  inputSize: number,
  hiddenSize: number,
  options: RNNOptions = {},
): Module<RecurrentInputs<Tensor>, RecurrentResult<Tensor>> {
  const act = options.nonlinearity === 'relu' ? relu : tanh
  return single('RNN', inputSize, hiddenSize, options, {
    gates: 1,
    step: (x, h, { hidden }) => [act(add(x, hidden(h[0]!)))],
  })
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997). Parameters as those of `RNN` with 4 · hidden rows: input gate,
 * forget gate, cell, output gate.
 */
export function LSTM(
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions = {},
): Module<RecurrentInputs<LSTMState>, RecurrentResult<LSTMState>> {
  const cell: RecurrentCell = {
    gates: 4,
    step: (x, [h, c], { hidden }) => {
      const [input, forget, now, output] = split(add(x, hidden(h!)), 4, -1) as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ]
      const next = add(mul(sigmoid(forget), c!), mul(sigmoid(input), tanh(now)))
      return [mul(sigmoid(output), tanh(next)), next]
    },
  }
  return recurrent<LSTMState>('LSTM', inputSize, hiddenSize, options, cell, {
    states: 2,
    list: (state) => state,
    of: ([h, c]) => [h!, c!],
  })
}

/**
 * Gated recurrent unit (Cho et al. 2014). Parameters as those of `RNN` with 3 · hidden rows: reset gate, update gate, new
 * state.
 */
export function GRU(
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions = {},
): Module<RecurrentInputs<Tensor>, RecurrentResult<Tensor>> {
  return single('GRU', inputSize, hiddenSize, options, {
    gates: 3,
    step: (x, [h], { hidden }) => {
      const [xReset, xUpdate, xNew] = split(x, 3, -1) as [Tensor, Tensor, Tensor]
      const [hReset, hUpdate, hNew] = split(hidden(h!), 3, -1) as [Tensor, Tensor, Tensor]
      const update = sigmoid(add(xUpdate, hUpdate))
      const candidate = tanh(add(xNew, mul(sigmoid(add(xReset, hReset)), hNew)))
      return [add(mul(sub(1, update), candidate), mul(update, h!))]
    },
  })
}

/** One step of one layer; x is W_ih xₜ + b_ih already, and `hidden` makes W_hh h + b_hh. */
interface RecurrentCell {
  /** How many times hidden rows the weights have. */
  readonly gates: number
  step(
    x: Tensor,
    state: readonly Tensor[],
    with_: { readonly hidden: (h: Tensor) => Tensor },
  ): readonly Tensor[]
}

/** How the tensors of a state are handed in and out. */
interface StateForm<S> {
  readonly states: number
  readonly list: (state: S) => readonly Tensor[]
  readonly of: (list: readonly Tensor[]) => S
}

const oneTensor: StateForm<Tensor> = { states: 1, list: (state) => [state], of: ([state]) => state! }

const single = (
  layer: string,
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions,
  cell: RecurrentCell,
): Module<RecurrentInputs<Tensor>, RecurrentResult<Tensor>> =>
  recurrent(layer, inputSize, hiddenSize, options, cell, oneTensor)

interface DirectionParameters {
  readonly input: Parameter
  readonly hidden: Parameter
  readonly inputBias: Parameter | undefined
  readonly hiddenBias: Parameter | undefined
}

function recurrent<S>(
  layer: string,
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions,
  cell: RecurrentCell,
  form: StateForm<S>,
): Module<RecurrentInputs<S>, RecurrentResult<S>> {
  const { numLayers = 1, bias = true, batchFirst = true, dropout = 0, bidirectional = false } = options
  demandPositive(layer, { inputSize, hiddenSize, numLayers })
  demandProbability(layer, 'dropout', dropout)
  const seed = options.seed ?? nextSeed()
  const directions = bidirectional ? 2 : 1
  const rows = cell.gates * hiddenSize
  const start = (name: string, shape: readonly number[]): Parameter =>
    parameter(name, fanInUniform(shape, { in: hiddenSize, out: hiddenSize }, { seed, stream: name }))
  const layers = Array.from({ length: numLayers }, (_, k) =>
    Array.from({ length: directions }, (_, d): DirectionParameters => {
      const end = `l${k}${d === 1 ? '_reverse' : ''}`
      return {
        input: start(`weight_ih_${end}`, [rows, k === 0 ? inputSize : hiddenSize * directions]),
        hidden: start(`weight_hh_${end}`, [rows, hiddenSize]),
        inputBias: bias ? start(`bias_ih_${end}`, [rows]) : undefined,
        hiddenBias: bias ? start(`bias_hh_${end}`, [rows]) : undefined,
      }
    }),
  )
  const key = {}

  const run = (pass: TrainingPass | undefined, [x, state]: RecurrentInputs<S>): RecurrentResult<S> => {
    const front = batchFirst || x.shape.length !== 3 ? x : transpose(x, [1, 0, 2])
    if (front.shape.length !== 3 || front.shape[2] !== inputSize || front.shape[1] === 0) {
      const wanted = batchFirst ? `[N, L, ${inputSize}]` : `[L, N, ${inputSize}]`
      throw new ShapeError(layer, `expects ${wanted} with L at least 1, got ${formatShape(x.shape)}`)
    }
    const samples = front.shape[0]!
    const begin = initialStates(layer, state === undefined ? undefined : form.list(state), {
      states: form.states,
      shape: [numLayers * directions, samples, hiddenSize],
    })
    const final: (readonly Tensor[])[] = []
    let sequence = front
    layers.forEach((sides, k) => {
      if (k > 0 && pass !== undefined) sequence = dropWith(pass, sequence, { p: dropout, seed, key })
      const outputs = sides.map((parameters, d) => {
        const [output, last] = direction(cell, parameters, sequence, begin(k * directions + d), d === 1)
        final.push(last)
        return output
      })
      sequence = concat(outputs, 2)
    })
    const states = Array.from({ length: form.states }, (_, s) => stack(final.map((last) => last[s]!)))
    return [batchFirst ? sequence : transpose(sequence, [1, 0, 2]), form.of(states)]
  }
  return layerOf({
    forward: (...inputs: RecurrentInputs<S>) => run(undefined, inputs),
    inTraining:
      (pass) =>
      (...inputs: RecurrentInputs<S>) =>
        run(pass, inputs),
    parameters: layers
      .flat()
      .flatMap((p) => [p.input, p.hidden, p.inputBias, p.hiddenBias])
      .filter((p) => p !== undefined),
  })
}

/** The initial tensors of each layer and direction. */
function initialStates(
  layer: string,
  given: readonly Tensor[] | undefined,
  { states, shape }: { readonly states: number; readonly shape: readonly number[] },
): (at: number) => readonly Tensor[] {
  if (given === undefined) return () => Array<Tensor>(states).fill(zeros(shape.slice(1)))
  const wrong = given.find((each) => each.shape.join() !== shape.join())
  if (given.length !== states || wrong !== undefined) {
    throw new ShapeError(
      layer,
      `expects ${states} initial state(s) ${formatShape(shape)}, got ${given.map((each) => formatShape(each.shape)).join(' and ')}`,
    )
  }
  return (at) => given.map((each) => squeeze(slice(each, 0, at, at + 1), [0]))
}

/** One layer in one direction: outputs [N, L, hidden], and the state after the last step. */
function direction(
  cell: RecurrentCell,
  { input, hidden, inputBias, hiddenBias }: DirectionParameters,
  sequence: Tensor,
  begin: readonly Tensor[],
  backward: boolean,
): readonly [Tensor, readonly Tensor[]] {
  // The inputs' share needs no state: one product for the whole sequence.
  const projected = withBias(matmul(sequence, transpose(input.value)), inputBias)
  const across = { hidden: (h: Tensor) => withBias(matmul(h, transpose(hidden.value)), hiddenBias) }
  const length = sequence.shape[1]!
  const outputs = Array<Tensor>(length)
  let state = begin
  for (let i = 0; i < length; i++) {
    const t = backward ? length - 1 - i : i
    state = cell.step(squeeze(slice(projected, 1, t, t + 1), [1]), state, across)
    outputs[t] = state[0]!
  }
  return [stack(outputs, 1), state]
}

const withBias = (x: Tensor, bias: Parameter | undefined): Tensor =>
  bias === undefined ? x : add(x, bias.value)
