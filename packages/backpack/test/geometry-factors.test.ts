/**
 * @file Kronecker factors of convolutions of any geometry against dense Jacobians. The seed is fixed; SEED=… in the environment tries
 * others.
 */
import { backward, type KroneckerFactors, type KroneckerMode, type ParameterMap } from '@beyondgrad/autograd'
import { evaluate, type Evaluated, referenceEngine } from '@beyondgrad/tensor'
import { type BruteForce, bruteForce, drawnCurvature } from '@beyondgrad/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GGNMP, HBP, HMP, KFAC, KFLR, KFRA, PCHMP } from '../src/index.ts'
import { close } from './closeness.ts'
import { type Factors, placedBlock, rowsOfFactors, units, withinGroups } from './dense-blocks.ts'
import {
  geometries,
  type GeometryNetwork,
  geometryNetwork,
  kinds,
  resultSize,
  surroundings,
} from './geometry-networks.ts'
import { type DefinedFactors, factorsByDefinition } from './kronecker-definition.ts'

const engine = referenceEngine()
const seed = Number(process.env.SEED ?? 20_261)
const sampling = { samples: 2, seed: 3 }
const modes: readonly KroneckerMode[] = ['expand', 'reduce', 'backpack']

type Found = Evaluated<ParameterMap<KroneckerFactors>>
type Part = 'input' | 'inputMeans'

function same(found: Factors, output: Float64Array, input: Float64Array, what: string): void {
  close(found.output.data, output, 1e-9, `${what}, output`)
  close(found.input!.data, input, 1e-9, `${what}, input`)
}

/** Weights have the factors of the definition; what is no weight has its block. */
async function checkFactors(network: GeometryNetwork): Promise<void> {
  const { problem, draws, layers } = network
  const { model, loss, inputs, targets } = problem
  const whole = loss(model(inputs), targets)
  const at = await bruteForce(problem)
  const drawn = drawnCurvature(at, { ...draws, ...sampling })
  const weights = layers.map(({ name }) => name)
  const byLayer = async (
    of: BruteForce,
  ): Promise<readonly Readonly<Record<KroneckerMode, DefinedFactors>>[]> =>
    Promise.all(layers.map((layer) => factorsByDefinition(of, problem, layer)))
  const [exactly, byDraws] = [await byLayer(at), await byLayer(drawn)]
  for (const mode of modes) {
    const { kflr, kfac, means, kfra } = await evaluate(
      backward(whole, {
        kflr: KFLR({ mode }),
        kfac: KFAC({ mode, ...sampling }),
        means: HBP({ mode, inputs: 'mean' }),
        kfra: KFRA({ mode }),
      }),
      { engine },
    )
    const check = async (
      found: Found,
      of: BruteForce,
      defined: typeof exactly,
      input: Part,
      what: string,
    ) => {
      expect(found.names).toEqual([...model.parameters].map(([{ name }]) => name))
      for (const [parameter, factors] of found) {
        const which = `${what} (${mode}) of "${parameter.name}"`
        const layer = weights.indexOf(parameter.name)
        if (layer < 0) {
          expect(factors.input).toBeUndefined()
          close(factors.output.data, (await of.ggn(parameter)).data, 1e-9, which)
        } else {
          const { output, [input]: inputFactor } = defined[layer]![mode]
          same(factors, output, inputFactor, which)
        }
      }
    }
    await check(kflr, at, exactly, 'input', 'kflr')
    await check(kfac, drawn, byDraws, 'input', 'kfac')
    await check(means, at, exactly, 'inputMeans', 'hbp of mean inputs')
    if (at.samples > 1) continue
    // One sample is its own average; the matrix is of all positions together, in every mode.
    const together = exactly.map((each) => {
      const output = each.reduce.output
      return {
        expand: { ...each.expand, output },
        reduce: each.reduce,
        backpack: { ...each.backpack, output },
      }
    })
    await check(kfra, at, together, 'input', 'kfra')
  }
}

const curvatures = [
  { curvature: 'ggn', product: GGNMP({ vectors: units }) },
  { curvature: 'hessian', product: HMP({ vectors: units }) },
  { curvature: 'pch-clip', product: PCHMP({ vectors: units }) },
  { curvature: 'pch-abs', product: PCHMP({ vectors: units, eigenvalues: 'abs' }) },
] as const

/** For one sample and one position the factors are the block itself, whatever the curvature and the mode. */
async function checkBlocks({ problem }: GeometryNetwork): Promise<void> {
  const { model, loss, inputs, targets } = problem
  const whole = loss(model(inputs), targets)
  for (const { curvature, product } of curvatures) {
    const { blocks, rows, expand, reduce, backpack, averaged } = await evaluate(
      backward(whole, {
        blocks: product,
        rows: rowsOfFactors,
        expand: HBP({ curvature }),
        reduce: HBP({ curvature, mode: 'reduce' }),
        backpack: HBP({ curvature, mode: 'backpack' }),
        averaged: HBP({ curvature, transport: 'average' }),
      }),
      { engine },
    )
    for (const [parameter, { data }] of blocks) {
      for (const [mode, found] of Object.entries({ expand, reduce, backpack, averaged })) {
        const [factors, order] = [found.get(parameter), rows.get(parameter)]
        const block = withinGroups(data, factors, order)
        close(placedBlock(factors, order), block, 1e-9, `${curvature} (${mode}) of "${parameter.name}"`)
      }
    }
  }
}

describe('Kronecker factors are what dense Jacobians say', () => {
  it.each(kinds)('$name', async ({ rank, ...kind }) => {
    await fc.assert(
      fc.asyncProperty(geometries(rank, kind), surroundings(), (geometry, around) =>
        checkFactors(geometryNetwork(geometry, around)),
      ),
      { numRuns: kind.transposed ? 12 : 6, seed },
    )
  })
})

describe('at one position of one sample Kronecker factors are the block', () => {
  it.each(kinds)('$name', async ({ rank, ...kind }) => {
    const single = geometries(rank, { ...kind, largest: 1 }).filter((geometry) =>
      resultSize(geometry).every((size) => size === 1),
    )
    await fc.assert(
      fc.asyncProperty(single, surroundings([1]), (geometry, around) =>
        checkBlocks(geometryNetwork(geometry, around)),
      ),
      { numRuns: 5, seed },
    )
  })
})
