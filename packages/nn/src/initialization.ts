/**
 * @file The usual initial weights, drawn from a seeded counter-based generator. Bounds as in PyTorch's defaults:
 * uniform in ±1/√fan-in for linear and convolution layers; He et al. 2015 and Glorot & Bengio 2010 by name.
 */
import { type Parameter, parameter } from '@beyondgrad/autograd'
import { type Distribution, fillRandom, type NDArray, sizeOf } from '@beyondgrad/tensor'

/** How many numbers one output is made of, and how many outputs one input reaches. */
export interface Fans {
  readonly in: number
  readonly out: number
}

/** Makes the initial numbers of a tensor; `seed` and `stream` (the parameter's name) determine them. */
export type Initializer = (
  shape: readonly number[],
  fans: Fans,
  source: { readonly seed: number; readonly stream: string },
) => NDArray

function drawn(distribution: Distribution, transform: (fans: Fans) => (x: number) => number): Initializer {
  return (shape, fans, source) => {
    const data = new Float32Array(sizeOf(shape))
    fillRandom({ distribution, ...source }, 0, 1, 1, data.length, data)
    return { shape, dtype: 'float32', data: data.map(transform(fans)) }
  }
}

const uniform = (bound: (fans: Fans) => number): Initializer =>
  drawn('uniform', (fans) => {
    const b = bound(fans)
    return (u) => (2 * u - 1) * b
  })

/** ±1/√fan-in: PyTorch's default for weights and biases of linear and convolution layers. */
export const fanInUniform: Initializer = /* @__PURE__ */ uniform(
  (fans) => 1 / Math.sqrt(Math.max(1, fans.in)),
)

/** Normal with deviation √(2 / fan-in), for ReLU nets (He et al. 2015). */
export const heNormal: Initializer = /* @__PURE__ */ drawn('normal', (fans) => {
  const deviation = Math.sqrt(2 / Math.max(1, fans.in))
  return (z) => z * deviation
})

/** ±√(6 / (fan-in + fan-out)), for tanh nets (Glorot & Bengio 2010). */
export const glorotUniform: Initializer = /* @__PURE__ */ uniform((fans) =>
  Math.sqrt(6 / Math.max(1, fans.in + fans.out)),
)

/** Standard normal: PyTorch's default for embeddings. */
export const standardNormal: Initializer = /* @__PURE__ */ drawn('normal', () => (z) => z)

/** One number everywhere, in whatever shape. */
export const allEqual =
  (value: number): Initializer =>
  (shape) => ({ shape, dtype: 'float32', data: new Float32Array(sizeOf(shape)).fill(value) })

/** Zeros, in whatever shape. */
export const allZeros: Initializer = /* @__PURE__ */ allEqual(0)

/** Ones, in whatever shape. */
export const allOnes: Initializer = /* @__PURE__ */ allEqual(1)

/** How an affine layer starts. */
export interface InitializationOptions {
  /** Determines the initial numbers. Default: counts up with every layer, so that a program repeats itself. */
  readonly seed?: number
  /** How weights start. Default: `fanInUniform`. */
  readonly weight?: Initializer
  /** Whether there is a bias. Default: true. */
  readonly bias?: boolean
}

let layersMade = 0

/** The seed of a layer that was given none: counts up, so that a program repeats itself. */
export function nextSeed(): number {
  return layersMade++
}

/**
 * The weight and, if wanted, the bias of an affine layer.
 *
 * @param outputs length of the bias
 */
export function affineParameters(
  shape: readonly number[],
  fans: Fans,
  options: InitializationOptions,
  outputs: number = shape[0]!,
): { readonly weight: Parameter; readonly bias: Parameter | undefined } {
  const seed = options.seed ?? nextSeed()
  const initializer = options.weight ?? fanInUniform
  const weight = parameter('weight', initializer(shape, fans, { seed, stream: 'weight' }))
  if (options.bias === false) return { weight, bias: undefined }
  return { weight, bias: parameter('bias', fanInUniform([outputs], fans, { seed, stream: 'bias' })) }
}
