/** @file Products of the whole GGN and Hessian with a vector, against the reference values. */
import { ggnvp, hvp, parametersOf } from '@beyondgrad/autograd'
import { evaluate, namedMap, referenceEngine, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { type Golden, goldenCases, lossOf, modelOf, readGolden, toTensor, type Values } from './golden.ts'

const engine = referenceEngine()

function close(found: ArrayLike<number>, expected: Values): void {
  const scale = Math.max(...expected.data.map(Math.abs))
  expected.data.forEach((value, i) => {
    expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-8 * Math.abs(value) + 1e-8 * scale)
  })
}

const vectorsOf =
  (golden: Golden) =>
  (name: string): Tensor =>
    toTensor(golden.aux.vp_vector[name]!)

describe.each(goldenCases('logreg', 'mlp', 'conv'))('%s', (name) => {
  const golden = readGolden(name)
  const model = modelOf(golden)
  const loss = lossOf(golden, model)
  const vector = vectorsOf(golden)

  it('ggnvp', async () => {
    const vectors = namedMap([...model.parameters].map(([p]) => [p, vector(p.name)] as const))
    const { product } = await evaluate({ product: ggnvp(loss, vectors) }, { engine })
    for (const [parameter, { data }] of product) close(data, golden.quantities.ggnvp![parameter.name]!)
  })

  it('hvp', async () => {
    const leaves = [...parametersOf([loss], model.parameters)]
    const products = hvp(
      loss,
      leaves.map(([, leaf]) => leaf),
      leaves.map(([p]) => vector(p.name)),
    )
    const { found } = await evaluate({ found: products }, { engine })
    leaves.forEach(([p], i) => close(found[i]!.data, golden.quantities.hvp![p.name]!))
  })
})
