/** @file Derivatives of powers where a power of zero stands beside a factor of zero. */
import { gradient, hessian } from '@beyondgrad/autograd'
import { constant, evaluate, pow, referenceEngine, tensor } from '@beyondgrad/tensor'
import { expect, it } from 'vitest'

it.each([0, 1, 2, 3, -1, 0.5])(
  'x^%d has the derivatives that calculus gives, at zero too',
  async (exponent) => {
    const at = exponent < 2 && exponent !== 0 && exponent !== 1 ? [2, 0.5] : [0, 2, -1]
    const x = tensor(at)
    const y = pow(x, constant(exponent)).sum()
    const [slope] = gradient(y, [x])
    const { first, second } = await evaluate(
      { first: slope!, second: hessian(y, x) },
      { engine: referenceEngine() },
    )
    at.forEach((value, i) => {
      const factor = exponent * (exponent - 1)
      expect(first.data[i]).toBeCloseTo(exponent === 0 ? 0 : exponent * value ** (exponent - 1), 12)
      expect(second.data[i * at.length + i]).toBeCloseTo(
        factor === 0 ? 0 : factor * value ** (exponent - 2),
        12,
      )
    })
  },
)
