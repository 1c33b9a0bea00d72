/** @file Products and dense matrices of GGN and Hessian operators against the reference values of all fixtures. */
import type { Parameter } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type Engine, referenceEngine, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { GGNOperator, HessianOperator } from '../../src/index.ts'
import { goldenCases, lossOf, modelOf, readGolden, type Values } from '../golden.ts'
import { graphCases, graphLoss, readGraph } from '../golden-graph.ts'
import { close } from '../closeness.ts'
import { ofItsData } from './dense.ts'

interface Case {
  readonly name: string
  readonly build: () => { readonly loss: Tensor; readonly parameters: readonly Parameter[] }
  readonly quantities: Readonly<Record<string, unknown>>
  readonly vectors: Readonly<Record<string, Values>>
}

const cases: readonly Case[] = [
  ...goldenCases('logreg', 'mlp', 'conv').map((name): Case => {
    const golden = readGolden(name)
    const build = (): ReturnType<Case['build']> => {
      const model = modelOf(golden)
      return { loss: lossOf(golden, model), parameters: [...model.parameters].map(([p]) => p) }
    }
    return { name, build, quantities: golden.quantities, vectors: golden.aux?.vp_vector ?? {} }
  }),
  ...graphCases().map((name): Case => {
    const golden = readGraph(name)
    return {
      name,
      build: () => graphLoss(golden),
      quantities: golden.quantities,
      vectors: golden.aux?.vp_vector ?? {},
    }
  }),
].filter(({ quantities }) => 'ggnvp' in quantities)

describe.each([
  { on: 'reference engine', engine: referenceEngine(), rtol: 1e-7 },
  { on: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
] as readonly { readonly on: string; readonly engine: Engine; readonly rtol: number }[])(
  'reference values on the $on',
  ({ engine, rtol }) => {
    it('has cases', () => expect(cases.length).toBeGreaterThan(50))

    it.each(cases)('$name', async ({ build, quantities, vectors }) => {
      const { loss, parameters } = build()
      const options = { ...ofItsData(loss), parameters, engine }
      for (const [make, product, full] of [
        [GGNOperator, 'ggnvp', 'full_ggn'],
        [HessianOperator, 'hvp', 'full_hessian'],
      ] as const) {
        const operator = await make(options)
        const expected = operator.layout.flatten(quantities[product] as Record<string, Values>)
        close(await operator.matvec(operator.layout.flatten(vectors)), expected, rtol)
        const dense = quantities[full] as Values | undefined
        if (dense !== undefined) close((await operator.toDense()).data, dense.data, rtol)
      }
    })
  },
)
