/** @file Losses against their definitions, at the places where a formula is easily wrong. */
import { bceWithLogits, crossEntropy, gradient, hessian, mseLoss } from '@beyondgrad/autograd'
import { evaluate, intTensor, referenceEngine, tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'

const engine = referenceEngine()
const sigmoid = (f: number): number => 1 / (1 + Math.exp(-f))

describe('bceWithLogits', () => {
  const logits = [0, -0, 1e-9, 3, -3, 800, -800]
  const targets = [1, 0, 0.25, 0, 1, 1, 0]
  const output = tensor([logits])
  const loss = bceWithLogits(output, tensor([targets]), { reduction: 'sum' })

  it('has the gradient σ(f) − y, at a logit of zero too', async () => {
    const [slope] = gradient(loss, [output])
    const { value } = await evaluate({ value: slope! }, { engine })
    logits.forEach((f, i) => expect(value.data[i]).toBeCloseTo(sigmoid(f) - targets[i]!, 12))
  })

  it('has the second derivative σ(1 − σ), at a logit of zero too', async () => {
    const { value } = await evaluate({ value: hessian(loss, output) }, { engine })
    logits.forEach((f, i) => {
      const s = sigmoid(f)
      expect(value.data[i * logits.length + i]).toBeCloseTo(s * (1 - s), 12)
    })
  })

  it('is finite for logits that exp cannot take', async () => {
    const { value } = await evaluate({ value: loss }, { engine })
    const expected = logits.reduce((total, f, i) => {
      return total + Math.max(f, 0) - f * targets[i]! + Math.log1p(Math.exp(-Math.abs(f)))
    }, 0)
    expect(value.data[0]).toBeCloseTo(expected, 12)
  })
})

describe('crossEntropy', () => {
  it('has the gradient p − onehot and the Hessian diag(p) − p pᵀ, with ties and huge logits too', async () => {
    for (const logits of [
      [0, 0, 0],
      [2, 2, -1],
      [1e4, -1e4, 0],
    ]) {
      const output = tensor([logits])
      const loss = crossEntropy(output, intTensor([1]), { reduction: 'sum' })
      const [slope] = gradient(loss, [output])
      const { g, h } = await evaluate({ g: slope!, h: hessian(loss, output) }, { engine })
      const top = Math.max(...logits)
      const exps = logits.map((f) => Math.exp(f - top))
      const total = exps.reduce((a, b) => a + b)
      const p = exps.map((e) => e / total)
      p.forEach((pi, i) => {
        expect(g.data[i]).toBeCloseTo(pi - (i === 1 ? 1 : 0), 12)
        p.forEach((pj, j) => expect(h.data[i * 3 + j]).toBeCloseTo((i === j ? pi : 0) - pi * pj, 12))
      })
    }
  })
})

describe('mseLoss', () => {
  it('divides by the number of entries under "mean"', async () => {
    const output = tensor([[1, 2], [3, 4]]) // prettier-ignore
    const value = await mseLoss(output, tensor([[0, 0], [0, 0]])).item() // prettier-ignore
    expect(value).toBe(30 / 4)
  })
})
