/** @file What single precision would break: a variance far smaller than its mean, a loss far smaller than its logits. */
import { backward, bceWithLogits, crossEntropy, type Module, mseLoss } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Conv2d, Linear } from '@beyondgrad/nn'
import {
  evaluate,
  intTensor,
  referenceEngine,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { BatchGradient, Gradient, SumGradSquared, Variance } from '../src/index.ts'
import { numbers } from './network.ts'

const ratio = 3000
const samples = 32
const native = onnxruntime()
const reference = referenceEngine()

/** Numbers around `mean` whose spread is `mean / ratio`. */
const narrow = (name: string, shape: Shape, mean: number): Float32Array<ArrayBuffer> =>
  numbers(name, shape).map((x) => mean * (1 + x / ratio))

const cases: readonly { readonly name: string; readonly model: () => Module; readonly input: Shape }[] = [
  { name: 'a linear layer', model: () => Linear(3, 2, { seed: 1 }), input: [3] },
  { name: 'a convolution', model: () => Conv2d(1, 2, 2, { seed: 1 }), input: [1, 3, 3] },
]

/** A batch on which individual gradients are nearly the same. */
async function problem(model: Module, input: Shape): Promise<Tensor> {
  const x = tensor(narrow('x', [samples, ...input], 1), { shape: [samples, ...input], dtype: 'float32' })
  const { shape, data } = await model(x).read()
  const spread = narrow('y', shape, 1)
  const y = Float32Array.from(data, (f, i) => f - spread[i]!)
  return mseLoss(model(x), tensor(y, { shape, dtype: 'float32' }), { reduction: 'sum' })
}

const spreadOf = (values: ArrayLike<number>): number => {
  const mean = Array.from(values).reduce((a, b) => a + b, 0) / values.length
  return (
    Math.sqrt(Array.from(values).reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) / Math.abs(mean)
  )
}

describe('Variance in single precision', () => {
  it.each(cases)(
    'is right for $name where the mean is thousands of times the spread',
    async ({ model, input }) => {
      const loss = await problem(model(), input)
      const extensions = { variance: Variance(), gradient: Gradient(), squares: SumGradSquared() }
      const exact = await evaluate(backward(loss, { ...extensions, each: BatchGradient() }), {
        engine: reference,
      })
      const found = await evaluate(backward(loss, extensions), { engine: native })
      for (const [parameter, { data }] of found.variance) {
        const expected = exact.variance.get(parameter).data
        const own = exact.each.get(parameter).data
        const size = sizeOf(parameter.shape)
        let naive = 0
        data.forEach((value, i) => {
          const column = Float64Array.from({ length: samples }, (_, n) => own[n * size + i]!)
          // The case is as hard as it says.
          expect(1 / spreadOf(column)).toBeGreaterThan(ratio / 3)
          expect(Math.abs(value / expected[i]! - 1), `${parameter.name}, element ${i}`).toBeLessThan(5e-3)
          const [square, total] = [
            found.squares.get(parameter).data[i]!,
            found.gradient.get(parameter).data[i]!,
          ]
          naive = Math.max(naive, Math.abs((square / samples - (total / samples) ** 2) / expected[i]! - 1))
        })
        // E[g²] − E[g]² of the same numbers is worthless.
        expect(naive).toBeGreaterThan(0.1)
      }
    },
  )
})

describe('the loss of a sample whose class is nearly certain', () => {
  // 1 + e⁻¹⁵ has three bits of e⁻¹⁵ left.
  const expected = Math.log1p(Math.exp(-15))

  it.each([
    ['cross-entropy', crossEntropy(tensor([[15, 0]]), intTensor([0]))],
    ['binary cross-entropy', bceWithLogits(tensor([[15]]), tensor([[1]]))],
  ] as const)('is not lost in the digits of its logits: %s', async (_name, loss) => {
    const { value } = await evaluate({ value: loss }, { engine: native })
    expect(value.data[0]! / expected).toBeGreaterThan(0.7)
    expect(value.data[0]! / expected).toBeLessThan(1.3)
  })
})
