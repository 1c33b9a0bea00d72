/**
 * @file Products of the exact Hessian with random signs, for estimates where exact columns are too many: E[z ⊙ H z] is the
 * Hessian's diagonal (Hutchinson, 1989; Bekas, Kokiopoulou and Saad, 2007), and no column ever meets a sample.
 */
import { cast, less, mul, random, reshape, slice, sub, type Tensor } from '@beyondgrad/tensor'
import type { Analysis } from './analysis.ts'
import type { Flow } from './flow.ts'
import type { Parameter } from './parameter.ts'
import { expandForDerivatives, pullBack } from './pullback.ts'

/** A vector of random signs and its product with the Hessian of the whole loss, each [...parameter.shape]. */
export interface SignProduct {
  readonly signs: Tensor
  readonly product: Tensor
}

export interface HutchinsonOptions {
  /** How many vectors; each costs about a gradient of the gradient. Default: 1. */
  readonly samples?: number
  /** Default: 0. */
  readonly seed?: number
}

/** ±1, independent for every entry; a function of seed, step, draw and parameter. */
function signsFor({ name, shape }: Parameter, draws: number, seed: number): Tensor[] {
  const source = { distribution: 'uniform', seed, stream: `hutchinson ${name}`, shared: true } as const
  const size = shape.reduce((a, b) => a * b, 1)
  const u = random([draws, 1, size], source)
  const signs = sub(1, mul(cast(less(u, 0.5), 'float32'), 2))
  return Array.from({ length: draws }, (_, i) => reshape(slice(signs, 0, i, i + 1), shape))
}

/** Delivers products of H with random signs, over all parameters jointly. Works for any loss, samples that mix included. */
export function hutchinsonFlow(options: HutchinsonOptions = {}): Flow<readonly SignProduct[]> {
  const { samples = 1, seed = 0 } = options
  const key = `${samples} ${seed}`
  let flow = flows.get(key)
  if (flow === undefined) flows.set(key, (flow = makeFlow(samples, seed)))
  return flow
}

// The same options are the same flow, so that extensions share its products.
const flows = /* @__PURE__ */ new Map<string, Flow<readonly SignProduct[]>>()

function makeFlow(samples: number, seed: number): Flow<readonly SignProduct[]> {
  return {
    name: 'hutchinson',
    run: (analysis) => {
      const products = productsOf(analysis, samples, seed)
      return (parameter) => products.get(parameter.cell)!
    },
  }
}

function productsOf(analysis: Analysis, samples: number, seed: number): Map<object, readonly SignProduct[]> {
  const { parameters } = analysis
  const slopes = expandForDerivatives(parameters.map((parameter) => analysis.gradient(parameter))) as Tensor[]
  const signs = parameters.map((parameter) => signsFor(parameter, samples, seed))
  const leaves = parameters.map((parameter) => analysis.leaf(parameter))
  const products = Array.from({ length: samples }, (_, draw) =>
    // The gradient of ⟨∇L, z⟩.
    pullBack(
      slopes.map((slope, i) => [slope, signs[i]![draw]!] as const),
      leaves,
    ),
  )
  return new Map(
    parameters.map((parameter, i) => [
      parameter.cell,
      signs[i]!.map((vector, draw) => ({ signs: vector, product: products[draw]![i] ?? mul(vector, 0) })),
    ]),
  )
}

/** The mean of z ⊙ H z: [...parameter.shape]. */
export function hutchinsonDiagonal(products: readonly SignProduct[]): Tensor {
  const terms = products.map(({ signs, product }) => mul(signs, product))
  const total = terms.reduce((a, b) => a.add(b))
  return products.length === 1 ? total : mul(total, 1 / products.length)
}
