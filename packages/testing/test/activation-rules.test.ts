/** @file Derivatives of compositions: against finite differences, and at the points where careless ones are NaN. */
import { gradient, hvp } from '@beyondgrad/autograd'
import * as ops from '@beyondgrad/tensor'
import { evaluate, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkRule } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'

const engine = referenceEngine()
const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  softplus: (x) => ops.softplus(x, { beta: 2 }),
  logSigmoid: ops.logSigmoid,
  gelu: ops.gelu,
  geluByTanh: (x) => ops.gelu(x, { approximate: 'tanh' }),
  silu: ops.silu,
  mish: ops.mish,
  elu: (x) => ops.elu(x, { alpha: 0.7 }),
  selu: ops.selu,
  celu: (x) => ops.celu(x, { alpha: 2 }),
  leakyRelu: ops.leakyRelu,
  prelu: (x) => ops.prelu(x, tensor(0.3)),
  hardSigmoid: ops.hardSigmoid,
  hardSwish: ops.hardSwish,
  hardTanh: ops.hardTanh,
  softsign: ops.softsign,
  relu6: ops.relu6,
}

/** Slope and curvature at single points. */
async function slopes(of: (x: Tensor) => Tensor, at: readonly number[]): Promise<[number[], number[]]> {
  const x = tensor(at)
  const total = of(x).sum()
  const ones = tensor(at.map(() => 1))
  const { g, h } = await evaluate({ g: gradient(total, [x])[0]!, h: hvp(total, [x], [ones])[0]! }, { engine })
  return [Array.from(g.data), Array.from(h.data)]
}

describe('activations', () => {
  it.each(Object.entries(activations))('%s has the right derivatives', async (_name, of) => {
    await checkRule(of, [randomTensor([3, 4], numbers(5), 4)])
  })

  it.each(Object.entries(activations))('%s has finite ones far out, and at 0', async (_name, of) => {
    const found = await slopes(of, [0, -0, 1e4, -1e4, 1e30, -1e30, 800, -800])
    for (const value of found.flat()) expect(Math.abs(value)).toBeLessThan(3)
  })

  it('smooth ones are so at 0', async () => {
    const known: readonly (readonly [(x: Tensor) => Tensor, number, number])[] = [
      [ops.softplus, 0.5, 0.25],
      [ops.logSigmoid, 0.5, -0.25],
      [ops.silu, 0.5, 0.5],
      [ops.gelu, 0.5, Math.sqrt(2 / Math.PI)],
      [ops.mish, 0.6, 0.64],
      [ops.softsign, 1, 0],
      [ops.elu, 1, 1],
    ]
    for (const [of, slope, bend] of known) {
      const [[g], [h]] = await slopes(of, [0])
      expect(g).toBeCloseTo(slope, 14)
      expect(h).toBeCloseTo(bend, 14)
    }
  })

  it('others take the side that PyTorch takes', async () => {
    expect((await slopes(ops.hardTanh, [-1, 1]))[0]).toEqual([0, 0])
    expect((await slopes(ops.relu6, [0, 6]))[0]).toEqual([0, 0])
    expect((await slopes(ops.leakyRelu, [0]))[0]).toEqual([0.01])
    expect((await slopes((x) => ops.clip(x, -1, 1), [-1, 1, 2]))[0]).toEqual([1, 1, 0])
  })

  it('the slope of prelu is a parameter like others', async () => {
    const random = numbers(8)
    await checkRule(ops.prelu, [randomTensor([2, 3, 4], random), randomTensor([3, 1], random)])
  })
})

describe('other compositions', () => {
  const random = numbers(21)
  const x = randomTensor([3, 5], random)
  const apart = (t: Tensor): Tensor => ops.square(t).add(0.3)

  it.each<readonly [string, (x: Tensor) => Tensor]>([
    ['prod', (t) => ops.prod(t, [1])],
    ['prod over all', (t) => ops.prod(t)],
    ['norm', (t) => ops.norm(t, [1])],
    ['norm 1', (t) => ops.norm(t, [0], { order: 1 })],
    ['norm ∞', (t) => ops.norm(t, [1], { order: Infinity })],
    ['logSumExp', (t) => ops.logSumExp(t)],
    ['min', (t) => ops.min(t, [0])],
    ['cumsum', (t) => ops.square(ops.cumsum(t, 1, { exclusive: true, reverse: true }))],
    ['expm1', ops.expm1],
    ['log1p', (t) => ops.log1p(apart(t))],
    ['trunc', (t) => ops.trunc(t.mul(3))],
    ['atan2', (t) => ops.atan2(t, ops.transpose(ops.transpose(t)).add(0.4))],
    ['rem', (t) => ops.rem(t, apart(t))],
    ['mod', (t) => ops.mod(t, apart(t).neg())],
    ['floorDivide', (t) => ops.floorDivide(t, apart(t))],
  ])('%s has the right derivatives', async (_name, of) => {
    await checkRule(of, [x])
  })

  it('prod has them where factors are 0', async () => {
    const t = tensor([2, 0, 3])
    const g = gradient(ops.prod(t), [t])[0]!
    const h = hvp(ops.prod(t), [t], [tensor([1, 0, 0])])[0]!
    const values = await evaluate({ g, h }, { engine })
    expect(Array.from(values.g.data)).toEqual([0, 6, 0])
    expect(Array.from(values.h.data)).toEqual([0, 3, 0])
  })

  it('atan2 has them on the axes, and none at the origin', async () => {
    const [y, z] = [tensor([0, 0, 2, -2, 3, 0]), tensor([2, -2, 0, 0, 3, 0])]
    const [dy, dx] = gradient(ops.atan2(y, z).sum(), [y, z])
    const values = await evaluate({ dy: dy!, dx: dx! }, { engine })
    const expected = [
      [0.5, -0.5, 0, 0, 1 / 6, 0],
      [0, 0, -0.5, 0.5, -1 / 6, 0],
    ]
    Array.from(values.dy.data).forEach((v, i) => expect(v).toBeCloseTo(expected[0]![i]!, 14))
    Array.from(values.dx.data).forEach((v, i) => expect(v).toBeCloseTo(expected[1]![i]!, 14))
  })

  it('norm and logSumExp have none where there is nothing', async () => {
    const t = tensor([
      [0, 0],
      [3, 4],
    ])
    const rows = tensor([
      [-Infinity, -Infinity],
      [0, 0],
    ])
    const values = await evaluate(
      {
        norm: gradient(ops.norm(t, [1]).sum(), [t])[0]!,
        sum: gradient(ops.logSumExp(rows, [1]).sum(), [rows])[0]!,
      },
      { engine },
    )
    Array.from(values.norm.data).forEach((v, i) => expect(v).toBeCloseTo([0, 0, 0.6, 0.8][i]!, 14))
    expect(Array.from(values.sum.data)).toEqual([0, 0, 0.5, 0.5])
  })
})
