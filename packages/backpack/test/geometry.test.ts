/**
 * @file Convolutions of any geometry: every quantity of the vocabulary against brute force. The seed is fixed; SEED=… in the environment
 * tries others.
 */
import { backward, type Extension, hvp, type ParameterMap, type Parameter } from '@beyondgrad/autograd'
import {
  evaluate,
  fillRandom,
  type NDArray,
  referenceEngine,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import {
  bruteForce,
  checkExtension,
  type Definition,
  definitions,
  drawn,
  empirical,
} from '@beyondgrad/testing'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { BatchDiagGGNMC, DiagGGNMC, DiagHessianMC, GGNMP, HMP, quantities, SqrtGGNMC } from '../src/index.ts'
import type { TensorQuantity } from '../src/vocabulary.ts'
import { close } from './closeness.ts'
import { gramOf, units } from './dense-blocks.ts'
import {
  geometries,
  type GeometryNetwork,
  geometryNetwork,
  kinds,
  surroundings,
} from './geometry-networks.ts'

const engine = referenceEngine()
const seed = Number(process.env.SEED ?? 20_261)

const sampling = { samples: 2, seed: 3 }
const ggn: Definition = async (at, parameter) => (await at.ggn(parameter)).data
const hessian: Definition = async (at, parameter) => (await at.hessian(parameter)).data

interface Quantity {
  readonly extension: Extension<ParameterMap<Tensor>>
  readonly definition: (network: GeometryNetwork) => Definition
  /** What of the result is defined. Default: all of it. */
  readonly of?: (found: NDArray) => ArrayLike<number>
}

const defined = (name: keyof typeof definitions): Quantity => ({
  extension: quantities[name](),
  definition: () => definitions[name],
})

/** The mean of z ⊙ H z over vectors of random signs, for all parameters jointly. */
const signed =
  ({ problem: { model, loss, inputs, targets } }: GeometryNetwork): Definition =>
  async (_at, parameter) => {
    const parameters = [...model.parameters].map(([p]) => p)
    const whole = loss(model(inputs), targets)
    const total = new Float64Array(sizeOf(parameter.shape))
    for (let draw = 0; draw < sampling.samples; draw++) {
      const signs = parameters.map((p) => signsOf(p, draw))
      const vectors = signs.map((data, i) => tensor(data, { shape: parameters[i]!.shape, dtype: 'float32' }))
      const leaves = parameters.map(({ value }) => value)
      const products = await evaluate(hvp(whole, leaves, vectors), { engine })
      const at = parameters.indexOf(parameter)
      products[at]!.data.forEach((x, i) => (total[i]! += (x * signs[at]![i]!) / sampling.samples))
    }
    return total
  }

function signsOf({ name, shape }: Parameter, draw: number): Float32Array<ArrayBuffer> {
  const size = sizeOf(shape)
  const numbers = new Float64Array(sampling.samples * size)
  const source = { distribution: 'uniform', seed: sampling.seed, stream: `hutchinson ${name}` } as const
  fillRandom(source, 0, sampling.samples, 1, size, numbers)
  return Float32Array.from(numbers.slice(draw * size, (draw + 1) * size), (u) => (u < 0.5 ? -1 : 1))
}

const every: Readonly<Record<TensorQuantity | 'ggnmp' | 'hmp', Quantity>> = {
  gradient: defined('gradient'),
  'batch-gradient': defined('batch-gradient'),
  'batch-l2': defined('batch-l2'),
  'sum-grad-squared': defined('sum-grad-squared'),
  variance: defined('variance'),
  'gradient-gram': defined('gradient-gram'),
  'batch-jacobian-l2': defined('batch-jacobian-l2'),
  'diag-ggn': defined('diag-ggn'),
  'batch-diag-ggn': defined('batch-diag-ggn'),
  'diag-hessian': defined('diag-hessian'),
  'batch-diag-hessian': defined('batch-diag-hessian'),
  'diag-empirical-fisher': {
    extension: quantities['diag-empirical-fisher'](),
    definition: ({ draws }) => empirical(definitions['diag-ggn'], draws),
  },
  'diag-ggn-mc': {
    extension: DiagGGNMC(sampling),
    definition: ({ draws }) => drawn(definitions['diag-ggn'], { ...draws, ...sampling }),
  },
  'batch-diag-ggn-mc': {
    extension: BatchDiagGGNMC(sampling),
    definition: ({ draws }) => drawn(definitions['batch-diag-ggn'], { ...draws, ...sampling }),
  },
  'diag-hessian-mc': { extension: DiagHessianMC(sampling), definition: signed },
  'sqrt-ggn': { extension: quantities['sqrt-ggn'](), definition: () => ggn, of: gramOf },
  'sqrt-ggn-mc': {
    extension: SqrtGGNMC(sampling),
    definition: ({ draws }) => drawn(ggn, { ...draws, ...sampling }),
    of: gramOf,
  },
  ggnmp: { extension: GGNMP({ vectors: units }), definition: () => ggn },
  hmp: { extension: HMP({ vectors: units }), definition: () => hessian },
}
const extensions = Object.fromEntries(Object.entries(every).map(([name, { extension }]) => [name, extension]))

async function checkAll(network: GeometryNetwork): Promise<void> {
  const { model, loss, inputs, targets } = network.problem
  const found = await evaluate(backward(loss(model(inputs), targets), extensions), { engine })
  const at = await bruteForce(network.problem)
  for (const [name, { definition, of = ({ data }: NDArray) => data }] of Object.entries(every)) {
    const define = definition(network)
    for (const parameter of at.parameters) {
      const expected = await define(at, parameter)
      close(of(found[name]!.get(parameter)), expected, 1e-9, `${name} of "${parameter.name}"`)
    }
  }
}

describe('every quantity is what brute force says', () => {
  it.each(kinds)('$name', async ({ rank, ...kind }) => {
    await fc.assert(
      fc.asyncProperty(geometries(rank, kind), surroundings(), (geometry, around) =>
        checkAll(geometryNetwork(geometry, around)),
      ),
      { numRuns: kind.transposed ? 12 : 6, seed },
    )
  })
})

describe('what quantities say of themselves', () => {
  const names = Object.keys(definitions) as (keyof typeof definitions)[]
  const any = fc.constantFrom(...kinds).chain(({ rank, ...kind }) => geometries(rank, kind))

  it.each(names)('degree and merge of %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(any, surroundings([3]), (geometry, around) => {
        const { problem } = geometryNetwork(geometry, around)
        return checkExtension(every[name].extension, { ...problem, definition: definitions[name] })
      }),
      { numRuns: 3, seed },
    )
  })
})
