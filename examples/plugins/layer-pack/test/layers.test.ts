import {
  checkPlugin,
  crossEntropy,
  type Extension,
  type Module,
  mseLoss,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BatchGradient, DiagGGN, DiagHessian } from '@beyondgrad/backpack'
import { Linear, moduleOf, Sequential } from '@beyondgrad/nn'
import { exportOnnx } from '@beyondgrad/onnx'
import { type AnyTensor, evaluate, intTensor, tensor, type Tensor } from '@beyondgrad/tensor'
import {
  checkExtension,
  checkLabels,
  checkRule,
  type Definition,
  definitions,
  type LabelledGraph,
  type Problem,
} from '@beyondgrad/testing'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import plugin, { shift, Snake, snake, Squareplus, squareplus, TokenShift } from '../src/index.ts'

const wave = (shape: readonly number[], speed = 1): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: size }, (_, i) => 1.5 * Math.sin(speed * (i + 1)))
  return tensor({ shape, dtype: 'float32', data })
}

describe('values', () => {
  it('of snake and squareplus are those of their formulas', async () => {
    const [x, alpha] = [[-2, -0.3, 0, 1.7], 0.8]
    const found = await evaluate({ s: snake(tensor(x), tensor(alpha)), q: squareplus(tensor(x), 2) })
    x.forEach((value, i) => {
      expect(found.s.data[i]).toBeCloseTo(value + Math.sin(Math.fround(alpha) * value) ** 2 / alpha, 6)
      expect(found.q.data[i]).toBeCloseTo((value + Math.sqrt(value ** 2 + 2)) / 2, 6)
    })
  })

  it('of squareplus far below zero do not cancel', async () => {
    const { q } = await evaluate({ q: squareplus(tensor([-1e9]), 4) })
    expect(q.data[0]! * 1e9).toBeCloseTo(1, 6)
  })

  it('of a shift are zeros at one end', async () => {
    const x = tensor([[1, 2, 3]])
    const found = await evaluate([1, -2, 0, 5, -5].map((by) => shift(x, -1, by)))
    expect(found.map(({ data }) => [...data])).toEqual([
      [0, 1, 2],
      [3, 0, 0],
      [1, 2, 3],
      [0, 0, 0],
      [0, 0, 0],
    ])
  })
})

describe('rules', () => {
  it.each([
    ['snake', () => checkRule(snake, [wave([2, 3]), tensor([0.7, 1.1, 1.9])])],
    ['squareplus', () => checkRule((x: Tensor) => squareplus(x, 3), [tensor([-4, -0.5, 0, 0.1, 3])])],
    ['shift', () => checkRule((x: Tensor) => shift(x, 1, 2), [wave([2, 4, 3])])],
    ['shift back', () => checkRule((x: Tensor) => shift(x, 0, -1), [wave([3, 2])])],
  ] as const)('of %s', (_name, check) => check())

  it.each([1, 2])('labels of a shift along axis %d', async (axis) => {
    const report = await checkLabels((samples) => shift(wave([samples, 3, 4]), axis, 1))
    expect(report.mixed + report.opaque).toBe(0)
    expect(report.labelled).toBeGreaterThan(4)
  })

  it('a shift over the samples mixes them', async () => {
    const build = (samples: number): LabelledGraph => {
      const x = wave([samples, 3])
      return { outputs: [shift(x, 0, 1)], samples: new Map([[x, 0]]) }
    }
    const { mixed, falseAlarms, opaque } = await checkLabels(build, { sizes: [3] })
    expect(mixed + falseAlarms + opaque).toBeGreaterThan(0)
  })
})

const classify = (output: Tensor, target: AnyTensor): Tensor =>
  crossEntropy(output, target as Tensor<'int32'>)
const problems: readonly (readonly [string, () => Problem])[] = [
  [
    'Snake',
    () => ({
      model: Sequential(Linear(3, 4, { seed: 1 }), Snake(4, { init: 0.9 }), Linear(4, 3, { seed: 2 })),
      loss: classify,
      inputs: wave([4, 3]),
      targets: intTensor([0, 1, 2, 1]),
    }),
  ],
  [
    'Snake on channels',
    () => ({
      model: Sequential(
        Snake(2),
        moduleOf((x: Tensor) => x.mean([2])),
        Linear(2, 3, { seed: 2 }),
      ),
      loss: classify,
      inputs: wave([3, 2, 4]),
      targets: intTensor([0, 1, 2]),
    }),
  ],
  [
    'Squareplus',
    () => ({
      model: Sequential(Linear(3, 4, { seed: 1 }), Squareplus(), Linear(4, 3, { seed: 2 })),
      loss: classify,
      inputs: wave([4, 3]),
      targets: intTensor([0, 1, 2, 1]),
    }),
  ],
  [
    'TokenShift',
    () => ({
      model: Sequential(
        Linear(2, 3, { seed: 1 }),
        TokenShift(3),
        Squareplus(1),
        TokenShift(3),
        Linear(3, 2, { seed: 2 }),
      ),
      loss: (output: Tensor, target: AnyTensor) => mseLoss(output, target as Tensor),
      inputs: wave([3, 4, 2]),
      targets: wave([3, 4, 2], 2),
    }),
  ],
]
const quantities: readonly (readonly [string, Extension<ParameterMap<Tensor>>, Definition])[] = [
  ['BatchGradient', BatchGradient(), definitions['batch-gradient']],
  ['DiagGGN', DiagGGN(), definitions['diag-ggn']],
  ['DiagHessian', DiagHessian(), definitions['diag-hessian']],
]

describe.each(problems)('a net with %s', (_name, problem) => {
  it.each(quantities)('has %s as brute force says', async (_quantity, extension, definition) => {
    await checkExtension(extension, { ...problem(), definition })
  })
})

describe('as an ONNX file', () => {
  it.each<readonly [string, Module, readonly number[]]>([
    ['Snake', Sequential(Linear(3, 4, { seed: 1 }), Snake(4, { init: 0.7 })), [5, 3]],
    ['Squareplus', Squareplus(0.5), [5, 3]],
    ['TokenShift', TokenShift(3), [5, 4, 3]],
  ])('%s runs elsewhere, for any number of samples', async (_name, model, shape) => {
    const inputs = { x: { shape: ['N', ...shape.slice(1)] } }
    const file = exportOnnx(({ x }) => ({ y: model(x) }), { inputs })
    expect(file.notes).toEqual([])
    const session = await InferenceSession.create(file.bytes)
    const x = wave(shape)
    const [fed, expected] = await evaluate([x, model(x)])
    const { y } = await session.run({ x: new OrtTensor('float32', Float32Array.from(fed!.data), [...shape]) })
    expect(y!.dims).toEqual(expected!.shape)
    Array.from(y!.data as Float32Array).forEach((value, i) =>
      expect(value).toBeCloseTo(expected!.data[i]!, 5),
    )
  })
})

describe('mistakes', () => {
  it.each([
    ['channels', () => Snake(0), /channels 0 must be a positive integer/],
    ['α', () => Snake(2, { init: 0 }), /init 0 positive/],
    ['b', () => Squareplus(0), /b must be positive, not 0/],
    ['the width', () => TokenShift(1.5), /width 1.5 must be a positive integer/],
    ['the input of Snake', () => Snake(2)(wave([3, 4])), /expects \[N, 2, ...\], got \[3, 4\]/],
    ['the input of TokenShift', () => TokenShift(2)(wave([3, 2])), /expects \[N, tokens, 2\], got \[3, 2\]/],
    ['the axis', () => shift(wave([3, 2]), 2), /no axis 2 of \[3, 2\]/],
    ['the step', () => shift(wave([3, 2]), 1, 0.5), /by 0.5/],
  ] as const)('in %s are told', (_what, mistake, message) => expect(mistake).toThrow(message))
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
  expect(Object.keys(plugin.ops ?? {})).toEqual(['snake', 'squareplus', 'shift'])
})
