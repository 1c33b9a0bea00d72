/** @file `checkFlow` over the flows that there are, and over flows with one thing wrong. */
import {
  type Columns,
  type Contribution,
  type Flow,
  ggnFlow,
  gradientFlow,
  hessianFlow,
  hutchinsonFlow,
} from '@beyondgrad/autograd'
import { reshape, sizeOf, square, sum, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkFlow, type FlowView } from '../src/index.ts'
import { classification, regression } from './problems.ts'

const contributions = (at: Contribution): Record<string, FlowView> => ({
  sum: { value: at.sum(), merge: 'sum' },
  each: { value: at.materialize(), samples: 0 },
  norms: { value: at.squaredNorm(), degree: 2, samples: 0 },
  spread: { value: at.centredSumOfSquares(), degree: 2 },
})
const columns = (at: Columns): Record<string, FlowView> => ({
  diagonal: { value: at.sumOfSquares(), merge: 'sum' },
  samples: { value: at.sampleSquares(), samples: 0 },
  root: { value: at.materialize(), samples: 1, degree: 0.5 },
})
const diagonal = (at: Columns): Record<string, FlowView> => ({
  diagonal: { value: at.sumOfSquares(), merge: 'sum' },
})

describe.each(['mean', 'sum'] as const)('checkFlow accepts (%s)', (reduction) => {
  const problems = [regression(reduction), classification(reduction)] as const

  it('the gradient flow', async () => {
    const views = ['sum', 'each', 'norms', 'spread']
    expect(await checkFlow(gradientFlow, { ...problems[0], view: contributions })).toEqual({
      parameters: 2,
      views,
      drawn: false,
    })
    await checkFlow(gradientFlow, { ...problems[1], view: contributions })
  })

  it('exact and empirical columns, by the functions that make them', async () => {
    await checkFlow(() => ggnFlow(), { ...problems[1], view: columns })
    const { drawn } = await checkFlow(() => ggnFlow({ samples: 'empirical' }), {
      ...problems[0],
      // A slope times √scale: each factor of the loss is in it once, as in every column.
      view: columns,
    })
    expect(drawn).toBe(false)
  })

  it('the exact Hessian', async () => {
    await checkFlow(hessianFlow(), { ...problems[0], view: diagonal })
  })

  it('what is drawn, up to the order of the samples', async () => {
    const report = await checkFlow(() => ggnFlow({ samples: 2, seed: 1 }), { ...problems[1], view: columns })
    expect(report.drawn).toBe(true)
    await checkFlow(() => hutchinsonFlow({ samples: 2 }), {
      ...problems[1],
      view: (products) => ({
        signs: { value: products[0]!.signs, degree: 0 },
        product: { value: products[0]!.product },
      }),
    })
  })
})

describe('checkFlow finds', () => {
  const problem = regression('sum')
  const one = (value: Tensor): Record<string, FlowView> => ({ value: { value } })
  /** The gradient flow with something made of it. */
  const made = (name: string, run: Flow<Tensor>['run']): Flow<Tensor> => ({ name, run })
  const plain: Flow<Tensor>['run'] = (analysis) => (parameter) => analysis.gradient(parameter)
  const wrong = (
    flow: Flow<Tensor> | (() => Flow<Tensor>),
    view: (x: Tensor) => Record<string, FlowView> = one,
  ) => expect(checkFlow(flow, { ...problem, view })).rejects

  it('nothing wrong with the one that the wrong ones are made of', async () => {
    await checkFlow(made('plain', plain), { ...problem, view: one })
  })

  it('a function that makes a new flow each time', async () => {
    await wrong(() => made('fresh', plain)).toThrow(/flow "fresh": every call makes another flow/)
  })

  it('what delivers nothing at a parameter', async () => {
    const flow = made('gap', (analysis) => (parameter) => {
      return parameter.name === 'w' ? analysis.gradient(parameter) : (undefined as unknown as Tensor)
    })
    await wrong(flow).toThrow(/flow "gap": delivers nothing at parameter "v"/)
  })

  it('what returns no function', async () => {
    const flow = made('late', (() => Promise.resolve(plain)) as unknown as Flow<Tensor>['run'])
    await wrong(flow).toThrow(/flow "late": run returned a promise, not a function of parameters/)
  })

  it('what executes', async () => {
    const flow = made('eager', (analysis, options, what) => {
      void analysis.losses[0]!.output.read()
      return plain(analysis, options, what)
    })
    await wrong(flow).toThrow(/flow "eager": executes something while it is run/)
  })

  it('what the first extension uses up', async () => {
    const flow = made('once', (analysis) => {
      const seen = new Set<string>()
      return (parameter) => {
        const again = seen.has(parameter.name)
        seen.add(parameter.name)
        return analysis.gradient(parameter).mul(again ? 0 : 1)
      }
    })
    await wrong(flow).toThrow(/value of "w" for the second extension that rides on it, against the first/)
  })

  it('what remembers another loss', async () => {
    const kept: Record<string, Tensor> = {}
    let runs = 0
    const flow = made('memory', (analysis) => {
      runs++
      return (parameter) => {
        const own = analysis.gradient(parameter)
        if (runs === 2) kept[parameter.name] = own
        return kept[parameter.name] ?? own
      }
    })
    await wrong(flow).toThrow(/of an equal loss, after another one, against the first time/)
  })

  it('a wrong degree', async () => {
    const flow = made('squares', (analysis) => (parameter) => square(analysis.gradient(parameter)))
    await wrong(flow).toThrow(/flow "squares", value of "w": does not scale by 3\^1.*its degree is 2/)
  })

  it('a sum that depends on the order of the samples', async () => {
    const first: Flow<Tensor>['run'] = (analysis, options, what) => {
      const arrive = gradientFlow.run(analysis, options, what)
      return (parameter) => arrive(parameter).materialize().slice(0, 0, 1)
    }
    await wrong(made('first', first)).toThrow(/value of "w" for samples in another order/)
  })

  it('samples on another axis than declared', async () => {
    const turned: Flow<Tensor>['run'] = (analysis, options, what) => {
      const arrive = gradientFlow.run(analysis, options, what)
      return (parameter) =>
        reshape(arrive(parameter).materialize(), [analysis.samples, sizeOf(parameter.shape)])
    }
    await checkFlow(made('turned', turned), {
      ...problem,
      view: (value) => ({ rows: { value, samples: 0 } }),
    })
    await wrong(made('turned', turned), (value) => ({ rows: { value, samples: 1 } })).toThrow(
      /rows of "w" for samples in another order: its axis of samples has 4 entries for 3 samples/,
    )
  })

  it('parts that do not add up', async () => {
    const flow = made('length', (analysis) => (parameter) => sum(square(analysis.gradient(parameter))).sqrt())
    await wrong(flow, (value) => ({ length: { value, merge: 'sum' } })).toThrow(
      /flow "length", length of "w" from two parts of the batch by sum, against the whole/,
    )
  })
})
