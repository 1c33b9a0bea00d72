import { concat, intTensor, oneHot, relu, reshape, square, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkDerivative, checkRule, randomExpressions, randomInputs } from '../src/index.ts'
import { graphs, runs } from './seeds.ts'
import { detached, misleading } from './wrong-ops.ts'

/** Everything that a random graph computes, as one vector. */
const everything =
  (seed: number, steps: number) =>
  (...inputs: readonly Tensor[]): Tensor =>
    concat(
      randomExpressions(inputs, { seed, steps, largest: 200 }).map((x) => reshape(x, [-1])),
      0,
    )

describe('derivatives of random graphs', () => {
  it('agree with finite differences, first and second order, vjp, jvp and hvp', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ seed, steps }) => {
        await checkDerivative(everything(seed, steps), randomInputs({ seed, empty: true }), { seed })
      }),
      runs(400),
    )
  })
})

describe('checkDerivative', () => {
  it('names the first entry whose derivative is wrong', async () => {
    const x = tensor([1, 2])
    await expect(checkDerivative((a) => misleading(a), [x])).rejects.toThrow(
      /^vjp with respect to element 0 of differentiable input 0 \[2\] is .*, finite differences say/,
    )
  })

  it('finds a derivative that is wrong in second order only', async () => {
    // (x − c)² with c = x: zero, and so is its slope; but c, taken for a constant, gives it a curvature.
    const bent = (x: Tensor): Tensor => square(x).add(square(x.sub(detached(x))))
    const x = tensor([1, 2])
    await expect(checkDerivative(bent, [x], { order: 1 })).resolves.toBeUndefined()
    await expect(checkDerivative(bent, [x])).rejects.toThrow(/^hvp with respect to element 0/)
  })

  it('does not mistake a kink beside the point for a wrong derivative', async () => {
    await expect(checkDerivative(relu, [tensor([3e-6, -3e-6, 1])])).resolves.toBeUndefined()
  })

  it('hands on inputs that are not floating-point numbers', async () => {
    const picked = (x: Tensor, labels: Tensor<'int32'>): Tensor => oneHot(labels, 3).mul(x)
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    await expect(checkDerivative(picked, [x, intTensor([2, 0])])).resolves.toBeUndefined()
    await expect(checkRule(picked, [x, intTensor([2, 0])])).resolves.toBeUndefined()
  })
})
