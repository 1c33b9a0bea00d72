/** @file Normalisation, and distributions over an axis. */
import {
  abs,
  add,
  type AnyTensor,
  argmax,
  avgPool,
  div,
  equal,
  logSoftmax,
  mean,
  mul,
  oneHot,
  pow,
  reciprocal,
  reshape,
  sizeOf,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  moveAxes,
  where,
} from '@beyondgrad/tensor'
import type { Node } from '../graph.ts'
import { type OperatorCall, operator, type OperatorTable, type OperatorVersion } from '../operator.ts'

/** One number a channel, beside [N, C, ...]. */
const byChannel = (x: Tensor, rank: number): Tensor =>
  reshape(x, [sizeOf(x.shape), ...Array<number>(rank - 2).fill(1)])

interface Standardized {
  readonly value: Tensor
  readonly mean: Tensor
  readonly variance: Tensor
  readonly inverse: Tensor
}

/** (x - mean) / √(variance + ε) over some axes. */
function standardized(x: Tensor, axes: readonly number[], epsilon: number): Standardized {
  const average = mean(x, axes, { keep: true })
  const centred = sub(x, average)
  const variance = mean(square(centred), axes, { keep: true })
  const inverse = reciprocal(sqrt(add(variance, epsilon)))
  return { value: mul(centred, inverse), mean: average, variance, inverse }
}

const from = (start: number, rank: number): number[] =>
  Array.from({ length: rank - start }, (_, i) => start + i)

function axisOf(call: OperatorCall, usual: number, rank: number): number {
  const axis = call.attributes.int('axis', usual)
  const at = axis < 0 ? axis + rank : axis
  return at < 0 || at > rank ? call.fail(`there is no axis ${axis}`) : at
}

/**
 * Batch normalisation. Evaluation is an affine map with the running statistics; only opset 14 and newer with `training_mode`,
 * and older versions with `is_test = 0`, normalise by those of the batch.
 */
function batch(call: OperatorCall): (AnyTensor | undefined)[] {
  const x = call.float(0)
  const rank = x.shape.length
  const epsilon = call.attributes.float('epsilon', 1e-5)
  const each = (input: number): Tensor => byChannel(call.float(input), Math.max(rank, 2))
  const training = call.attributes.flag('training_mode')
  if (!training) {
    const scale = mul(each(1), reciprocal(sqrt(add(each(4), epsilon))))
    return [add(mul(sub(x, each(3)), scale), each(2))]
  }
  const { value, mean: average, variance } = standardized(x, [0, ...from(2, rank)], epsilon)
  const momentum = call.attributes.float('momentum', 0.9)
  const moved = (input: number, now: Tensor): Tensor => {
    const running = call.float(input)
    return add(mul(running, momentum), mul(reshape(now, running.shape), 1 - momentum))
  }
  return [
    add(mul(value, each(1)), each(2)),
    call.wants(1) ? moved(3, average) : undefined,
    call.wants(2) ? moved(4, variance) : undefined,
  ]
}

function instance(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const rank = x.shape.length
  const { value } = standardized(x, from(2, rank), call.attributes.float('epsilon', 1e-5))
  return add(mul(value, byChannel(call.float(1), rank)), byChannel(call.float(2), rank))
}

/** Before opset 21 there is a scale and bias for each group, then for each channel. */
function group(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const [n, c] = [x.shape[0]!, x.shape[1]!]
  const groups = call.attributes.int('num_groups')
  const split = reshape(x, [n, groups, c / groups, ...x.shape.slice(2)])
  const { value } = standardized(split, from(2, split.shape.length), call.attributes.float('epsilon', 1e-5))
  const [scale, bias] = [call.float(1), call.float(2)]
  if (sizeOf(scale.shape) === groups && groups !== c) {
    const rank = split.shape.length
    return reshape(add(mul(value, byChannel(scale, rank)), byChannel(bias, rank)), x.shape)
  }
  const whole = reshape(value, x.shape)
  return add(mul(whole, byChannel(scale, x.shape.length)), byChannel(bias, x.shape.length))
}

function layer(call: OperatorCall): (AnyTensor | undefined)[] {
  const x = call.float(0)
  const axes = from(axisOf(call, -1, x.shape.length), x.shape.length)
  const { value, mean: average, inverse } = standardized(x, axes, call.attributes.float('epsilon', 1e-5))
  const scaled = mul(value, call.float(1))
  return [call.has(2) ? add(scaled, call.float(2)) : scaled, average, inverse]
}

function rootMeanSquare(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const axes = from(axisOf(call, -1, x.shape.length), x.shape.length)
  const inverse = reciprocal(
    sqrt(add(mean(square(x), axes, { keep: true }), call.attributes.float('epsilon', 1e-5))),
  )
  return mul(mul(x, inverse), call.float(1))
}

/** Every element over a power of 1 and the squares of the channels around it. */
function localResponse(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const size = call.attributes.int('size')
  const [n, c] = [x.shape[0]!, x.shape[1]!]
  const before = Math.floor((size - 1) / 2)
  // A mean over channels, as a pool over the second of three axes; the padding's zeros count.
  const flat = reshape(square(x), [n, 1, c, sizeOf(x.shape.slice(2))])
  const means = avgPool(flat, [size, 1], {
    stride: 1,
    padding: [
      [before, size - 1 - before],
      [0, 0],
    ],
    countPadding: true,
  })
  const { attributes } = call
  const alpha = attributes.float('alpha', 1e-4)
  const base = add(mul(reshape(means, x.shape), alpha), attributes.float('bias', 1))
  return mul(x, pow(base, -attributes.float('beta', 0.75)))
}

function overNorm(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const axis = axisOf(call, -1, x.shape.length)
  const p = call.attributes.int('p', 2)
  const size = p === 1 ? sum(abs(x), [axis], { keep: true }) : sqrt(sum(square(x), [axis], { keep: true }))
  // Where all is 0, it stays 0.
  const nothing = equal(size, 0)
  return where(nothing, 0, div(x, where(nothing, 1, size)))
}

function meanVariance(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const axes = call.attributes.ints('axes') ?? [0, 2, 3]
  return standardized(x, axes, 1e-9).value
}

/** Before opset 13 over all axes from `axis` on, then along one. */
function along(apply: (x: Tensor, axis: number) => Tensor): OperatorVersion[] {
  const together = (call: OperatorCall): AnyTensor => {
    const x = call.float(0)
    const axis = axisOf(call, 1, x.shape.length)
    const rows = sizeOf(x.shape.slice(0, axis))
    return reshape(apply(reshape(x, [rows, sizeOf(x.shape.slice(axis))]), 1), x.shape)
  }
  return [
    { since: 1, build: together },
    { since: 13, build: (call) => apply(call.float(0), axisOf(call, -1, call.float(0).shape.length)) },
  ]
}

function hardmax(x: Tensor, axis: number): Tensor {
  const chosen = oneHot(argmax(x, axis), x.shape[axis]!)
  return moveAxes(chosen, [-1], [axis])
}

const oldTraining = (node: Node): string | undefined =>
  node.opset < 7 &&
  node.attributes.int('is_test', 0) === 0 &&
  node.outputs.filter((name) => name !== '').length > 1
    ? 'trains and gives statistics in a way that newer versions have dropped'
    : undefined

export const normalizations: OperatorTable = {
  BatchNormalization: operator(batch, { buffers: [3, 4], check: oldTraining }),
  GroupNormalization: operator(group),
  Hardmax: along(hardmax),
  InstanceNormalization: operator(instance),
  LayerNormalization: operator(layer),
  LpNormalization: operator(overNorm),
  LRN: operator(localResponse),
  LogSoftmax: along(logSoftmax),
  MeanVarianceNormalization: operator(meanVariance),
  RMSNormalization: operator(rootMeanSquare),
  Softmax: along(softmax),
}
