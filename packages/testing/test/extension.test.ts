import {
  defineExtension,
  type Extension,
  type Extensions,
  type ExtensionSpec,
  ggnFlow,
  gradientFlow,
  hessianFlow,
  jacobianFlow,
  type Merge,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { square, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  type BruteForce,
  checkExtension,
  checkResult,
  definitions,
  monteCarloDiagonal,
} from '../src/index.ts'
import { classification, inputs, network, regression } from './problems.ts'

type Quantity = Extension<ParameterMap<Tensor>>

const batchGradient: Quantity = defineExtension({
  name: 'individual gradients',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.materialize(),
})

const quantities: Readonly<Record<keyof typeof definitions, Quantity>> = {
  gradient: defineExtension({
    name: 'sum',
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.sum(),
  }),
  'batch-gradient': batchGradient,
  'batch-l2': defineExtension({
    name: 'norms',
    degree: 2,
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.squaredNorm(),
  }),
  'sum-grad-squared': defineExtension({
    name: 'squares',
    degree: 2,
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.sumOfSquares(),
  }),
  variance: defineExtension({
    name: 'spread',
    degree: 2,
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.centredSumOfSquares().mul(1 / contribution.samples),
  }),
  'diag-ggn': defineExtension({
    name: 'ggn',
    flow: ggnFlow(),
    parameter: ({ contribution }) => contribution.sumOfSquares(),
  }),
  'batch-diag-ggn': defineExtension({
    name: 'diagonals of samples',
    flow: ggnFlow(),
    parameter: ({ contribution }) => contribution.sampleSquares(),
  }),
  'diag-hessian': defineExtension({
    name: 'hessian',
    flow: hessianFlow(),
    parameter: ({ contribution }) => contribution.sumOfSquares(),
  }),
  'batch-diag-hessian': defineExtension({
    name: 'diagonals of samples',
    flow: hessianFlow(),
    parameter: ({ contribution }) => contribution.sampleSquares(),
  }),
  'gradient-gram': defineExtension({
    name: 'inner products',
    degree: 2,
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution.gram(),
  }),
  'batch-jacobian-l2': defineExtension({
    name: 'norms of Jacobians',
    degree: 0,
    flow: jacobianFlow,
    parameter: ({ contribution }) => contribution.squaredNorms(),
  }),
}

const names = Object.keys(definitions) as (keyof typeof definitions)[]

describe('checkExtension', () => {
  it.each(names)('accepts what agrees with the definition of %s', async (name) => {
    const definition = definitions[name]
    for (const reduction of ['mean', 'sum'] as const) {
      await checkExtension(quantities[name], { ...regression(reduction), definition })
      await checkExtension(quantities[name], { ...classification(reduction), definition })
    }
  })

  it.each(names.filter((name) => name !== 'gradient'))(
    'rejects the gradient in place of %s',
    async (name) => {
      const check = checkExtension(quantities.gradient, {
        ...regression('mean'),
        definition: definitions[name],
      })
      await expect(check).rejects.toThrow(/^sum of "w": /)
    },
  )

  it('accepts Monte-Carlo columns with the very draws that the definition makes, and no others', async () => {
    const drawn = (seed: number): Quantity =>
      defineExtension({
        name: 'mc',
        flow: ggnFlow({ samples: 2, seed }),
        parameter: ({ contribution }) => contribution.sumOfSquares(),
      })
    const definition = monteCarloDiagonal({ loss: 'cross-entropy', samples: 2, seed: 4 })
    await checkExtension(drawn(4), { ...classification('mean'), definition })
    await expect(checkExtension(drawn(5), { ...classification('mean'), definition })).rejects.toThrow(
      'mc of "w"',
    )
    const squares = monteCarloDiagonal({ loss: 'mse', samples: 2, seed: 4, factor: 1 / 2 })
    await checkExtension(drawn(4), { ...regression('mean'), definition: squares })
  })

  const norms = (declared: Pick<ExtensionSpec<Extensions, unknown, unknown, unknown>, 'degree'>): Quantity =>
    defineExtension({
      name: 'norms',
      flow: gradientFlow,
      ...declared,
      parameter: ({ contribution }) => contribution.squaredNorm(),
    })
  const definition = definitions['batch-l2']

  it('finds a wrong degree and says the right one', async () => {
    for (const degree of [undefined, 0, 0.5, 1] as const) {
      const check = checkExtension(norms(degree === undefined ? {} : { degree }), {
        ...regression('mean'),
        definition,
      })
      await expect(check).rejects.toThrow(
        `norms of "w": does not scale by 3^${degree ?? 1} when the loss is multiplied by 3, as degree ${degree ?? 1} says: its degree is 2`,
      )
    }
    const inverse: Quantity = defineExtension({
      name: 'inverse',
      flow: gradientFlow,
      parameter: ({ contribution }) => contribution.sum().add(1),
    })
    const shifted = async (at: BruteForce, parameter: Parameter): Promise<Float64Array> =>
      (await at.gradient(parameter)).map((g) => g + 1)
    const check = checkExtension(inverse, { ...regression('sum'), definition: shifted })
    await expect(check).rejects.toThrow(/no degree fits, is it 'none'\?/)
    await checkExtension(norms({ degree: 'none' }), { ...regression('mean'), definition })
  })

  it.each(['mean', 'sum'] as const)('finds a wrong merge (%s)', async (reduction) => {
    const summed = (
      merge: Merge<ParameterMap<Tensor>>,
      name: 'gradient' | 'variance' = 'gradient',
    ): Quantity =>
      defineExtension({
        name,
        flow: gradientFlow,
        degree: name === 'gradient' ? 1 : 2,
        merge,
        parameter: ({ contribution }) =>
          name === 'gradient'
            ? contribution.sum()
            : contribution.centredSumOfSquares().mul(1 / contribution.samples),
      })
    const check = (quantity: Quantity, name: keyof typeof definitions): Promise<void> =>
      checkExtension(quantity, { ...regression(reduction), definition: definitions[name] })
    await check(summed('sum'), 'gradient')
    await expect(check(summed('mean'), 'gradient')).rejects.toThrow(
      /gradient of "w" from two parts of the batch by merge 'mean', against the whole: element/,
    )
    await expect(check(summed('concat'), 'gradient')).rejects.toThrow(/8 elements instead of 4/)
    // A variance is no mean of variances: those of the parts know nothing of the distance between them.
    await expect(check(summed('mean', 'variance'), 'variance')).rejects.toThrow(/by merge 'mean'/)
    const added: Merge<ParameterMap<Tensor>> = (parts) =>
      parts[0]!.result.map((_, parameter) =>
        parts.map(({ result }) => result.get(parameter)).reduce((a, b) => a.add(b)),
      )
    await check(summed(added), 'gradient')
    await expect(
      check(
        summed((parts) => parts[1]!.result),
        'gradient',
      ),
    ).rejects.toThrow(/by its merge/)
  })

  it('finds results that cannot be added', async () => {
    const each: Quantity = defineExtension({
      name: 'each',
      flow: gradientFlow,
      merge: 'sum',
      parameter: ({ contribution }) => contribution.materialize(),
    })
    const check = checkExtension(each, { ...regression('sum'), definition: definitions['batch-gradient'] })
    await expect(check).rejects.toThrow(
      /merge of "each" of "w" is 'sum', but batches give \[1, 2, 2\] and \[2, 2, 2\]/,
    )
  })

  it('refuses a loss whose samples depend on each other', async () => {
    const { loss, targets } = regression('mean')
    const inner = network()
    const model = Object.assign((x: Tensor) => inner(x).sub(inner(x).mean([0])), {
      parameters: inner.parameters,
    })
    const check = checkExtension(quantities.gradient, {
      model,
      loss,
      inputs,
      targets,
      definition: definitions.gradient,
    })
    await expect(check).rejects.toThrow(/neither the sum nor the mean of what its samples have alone/)
  })
})

describe('checkResult', () => {
  const total = defineExtension(
    {
      name: 'total',
      flow: gradientFlow,
      parameter: ({ contribution }) => square(contribution.sum()).sum(),
    },
    ({ byParameter }) => ({
      norm: [...byParameter].map(([, x]) => x).reduce((a, b) => a.add(b)),
      count: byParameter.size,
    }),
  )

  it('hands over the evaluated result, whatever its shape, beside brute force', async () => {
    await checkResult(total, {
      ...regression('sum'),
      compare: async ({ norm, count }, at, demand) => {
        expect(count).toBe(at.parameters.length)
        const gradients = await Promise.all(at.parameters.map((p) => at.gradient(p)))
        const expected = gradients.flatMap((g) => Array.from(g)).reduce((sum, g) => sum + g * g, 0)
        demand('norm', norm, [expected])
        expect(() => demand('norm', norm, [expected + 1e-3])).toThrow(/^total norm: element \[\] is/)
      },
    })
  })
})
