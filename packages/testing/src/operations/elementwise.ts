/**
 * @file Elementwise ops. Arguments are bent into the domain of the op, and into a range where nothing grows without
 * bounds; ops that jump take exact operands only, or two precisions would fall on different sides.
 */
import {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  tanh,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'
import { type Apply, broadcastSize, type Operation, pick, type Pool } from './operation.ts'

export const unary =
  (apply: (x: Tensor) => Tensor): Apply =>
  (pool, random) => {
    const x = pick(pool.first, random)
    return x && apply(x)
  }

/** Two operands that broadcast; a tensor always fits itself. */
function pair(pool: Pool, random: Numbers): readonly [Tensor, Tensor] | undefined {
  const a = pick(pool.first, random)
  const b =
    a && pick(pool.tensors, random, (x) => (broadcastSize(a.shape, x.shape) ?? Infinity) <= pool.largest)
  return a && b && [a, b]
}

export const exactly = (pool: Pool): Pool => ({ ...pool, first: pool.exact, tensors: pool.exact })

export const binary =
  (apply: (a: Tensor, b: Tensor) => Tensor): Apply =>
  (pool, random) => {
    const operands = pair(pool, random)
    return operands && apply(...operands)
  }

const compared =
  (compare: (a: Tensor, b: Tensor) => Tensor<'bool'>): Apply =>
  (pool, random) => {
    const operands = pair(exactly(pool), random)
    return operands && cast(compare(...operands), 'float32')
  }

const selected: Apply = (pool, random) => {
  const condition = pick(pool.exact, random)
  const operands = pair(pool, random)
  if (condition === undefined || operands === undefined) return undefined
  const [a, b] = operands
  const one = broadcastSize(condition.shape, a.shape)
  const two = broadcastSize(condition.shape, b.shape)
  if (one === undefined || two === undefined || Math.max(one, two) > pool.largest) return undefined
  // The three together broadcast if the larger of two does with the third; a and b do already.
  const ranks = [condition, a, b].map((x) => x.shape.length)
  const rank = Math.max(...ranks)
  let size = 1
  for (let i = 1; i <= rank; i++) size *= Math.max(...[condition, a, b].map((x) => x.shape.at(-i) ?? 1))
  if (size > pool.largest) return undefined
  return where(greater(condition, random.chance(0.5) ? 0 : 0.25), a, b)
}

const rounded: Apply = (pool, random) => {
  const x = pick(pool.exact, random)
  return x && cast(cast(mul(x, 2), random.chance(0.5) ? 'int32' : 'bool'), 'float32')
}

/** At least a half. */
export const positive = (x: Tensor): Tensor => square(x).add(0.5)

export const elementwise: Readonly<Record<string, Operation>> = {
  neg: { apply: unary((x) => neg(x)), exact: true },
  abs: { apply: unary((x) => abs(x)), exact: true },
  relu: { apply: unary(relu), exact: true },
  sign: { apply: (pool, random) => unary((x) => sign(x))(exactly(pool), random) },
  exp: { apply: unary((x) => exp(tanh(x))) },
  log: { apply: unary((x) => log(positive(x))) },
  sqrt: { apply: unary((x) => sqrt(positive(x))) },
  square: { apply: unary((x) => square(tanh(x))) },
  reciprocal: { apply: unary((x) => reciprocal(positive(x))) },
  tanh: { apply: unary(tanh) },
  sigmoid: { apply: unary(sigmoid) },
  add: { apply: binary((a, b) => add(a, b)) },
  sub: { apply: binary((a, b) => sub(a, b)) },
  mul: { apply: binary((a, b) => mul(tanh(a), b)) },
  div: { apply: binary((a, b) => div(a, positive(b))) },
  pow: { apply: binary((a, b) => pow(positive(a), tanh(b))) },
  maximum: { apply: binary((a, b) => maximum(a, b)), exact: true },
  minimum: { apply: binary((a, b) => minimum(a, b)), exact: true },
  equal: { apply: compared((a, b) => equal(a, b)) },
  less: { apply: compared((a, b) => less(a, b)) },
  greater: { apply: compared((a, b) => greater(a, b)) },
  where: { apply: selected },
  cast: { apply: rounded },
}
