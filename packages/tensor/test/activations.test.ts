/** @file Activations against their formulas, written with numbers. */
import { describe, expect, it } from 'vitest'
import {
  celu,
  elu,
  evaluate,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  mish,
  type NDArray,
  prelu,
  referenceEngine,
  relu6,
  selu,
  silu,
  softplus,
  softsign,
  tensor,
  type Tensor,
} from '../src/index.ts'

const { abs, exp, expm1, log1p, max, min, tanh } = Math
const points = [-1000, -40, -6, -3, -1, -0.5, -1e-9, 0, 1e-9, 0.5, 1, 3, 6, 40, 1000]

const sp = (x: number): number => max(x, 0) + log1p(exp(-abs(x)))
const sigma = (x: number): number => 1 / (1 + exp(-x))
const hard = (x: number): number => min(max(x / 6 + 0.5, 0), 1)
const elus = (x: number, alpha: number): number => (x > 0 ? x : alpha * expm1(x))
const [seluScale, seluAlpha] = [1.0507009873554805, 1.6732632423543772]

const cases: readonly (readonly [string, (x: Tensor) => Tensor, (x: number) => number])[] = [
  ['softplus', softplus, sp],
  ['softplus with beta', (x) => softplus(x, { beta: 3 }), (x) => sp(3 * x) / 3],
  ['logSigmoid', logSigmoid, (x) => -sp(-x)],
  ['silu', silu, (x) => x * sigma(x)],
  ['mish', mish, (x) => x * tanh(sp(x))],
  ['elu', elu, (x) => elus(x, 1)],
  ['elu with alpha', (x) => elu(x, { alpha: 0.5 }), (x) => elus(x, 0.5)],
  ['selu', selu, (x) => seluScale * elus(x, seluAlpha)],
  ['celu', celu, (x) => elus(x, 1)],
  ['celu with alpha', (x) => celu(x, { alpha: 2 }), (x) => (x > 0 ? x : 2 * expm1(x / 2))],
  ['leakyRelu', leakyRelu, (x) => (x > 0 ? x : 0.01 * x)],
  ['leakyRelu with a slope', (x) => leakyRelu(x, { negativeSlope: 0.2 }), (x) => (x > 0 ? x : 0.2 * x)],
  ['prelu', (x) => prelu(x, tensor(0.25)), (x) => (x > 0 ? x : 0.25 * x)],
  ['hardSigmoid', hardSigmoid, hard],
  ['hardSwish', hardSwish, (x) => x * hard(x)],
  ['hardTanh', hardTanh, (x) => min(max(x, -1), 1)],
  ['hardTanh with bounds', (x) => hardTanh(x, { minVal: -2, maxVal: 0.5 }), (x) => min(max(x, -2), 0.5)],
  ['relu6', relu6, (x) => min(max(x, 0), 6)],
  ['softsign', softsign, (x) => x / (1 + abs(x))],
  [
    'gelu by tanh',
    (x) => gelu(x, { approximate: 'tanh' }),
    (x) => 0.5 * x * (1 + tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ],
]

describe('activations', () => {
  it.each(cases)('%s', async (_name, activation, formula) => {
    const data = Float64Array.from(points)
    const x = tensor({ data, shape: [points.length], dtype: 'float32' } as unknown as NDArray)
    const { y } = await evaluate({ y: activation(x) }, { engine: referenceEngine() })
    points.forEach((point, i) => {
      const expected = formula(point)
      expect(abs(y.data[i]! - expected), `at ${point}`).toBeLessThanOrEqual(1e-14 * abs(expected) + 1e-16)
    })
  })

  it('gelu, of which the distribution function is tabulated', async () => {
    const known = [
      [0, 0],
      [1, 0.8413447460685429],
      [-1, -0.15865525393145707],
      [2, 2 * 0.9772498680518208],
      [-3, -3 * 0.0013498980316301035],
      [50, 50],
      [-50, 0],
    ] as const
    const { y } = await evaluate({ y: gelu(tensor(known.map(([x]) => x))) }, { engine: referenceEngine() })
    known.forEach(([x, value], i) => expect(y.data[i], `at ${x}`).toBeCloseTo(value, 14))
  })
})
