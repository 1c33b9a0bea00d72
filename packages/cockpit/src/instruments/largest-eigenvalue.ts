/**
 * @file The sharpest direction of the loss, by Lanczos iteration inside of the step itself: products of the Hessian with vectors are part of
 * the one graph, and the direction found is where the next tracked step begins.
 */
import { defineExtension, type Extension, type Flow, gradient as gradientOf } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  concat,
  constant,
  fillRandom,
  greater,
  isFinite,
  logicalAnd,
  matmul,
  mul,
  placeholder,
  reciprocal,
  reshape,
  sizeOf,
  slice,
  sqrt,
  sub,
  substitute,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { buffer } from '@beyondgrad/autograd'
import { defineInstrument, type Instrument } from '../instrument.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { symmetricEigenvalues } from './small-eigenvalues.ts'

export interface HessMaxEVOptions extends InstrumentOptions {
  /** Products of the Hessian with a vector at each tracked step, each about two gradients. Default: 6. */
  readonly products?: number
  /** Which: of the largest magnitude with its sign (default), the largest or the smallest. */
  readonly which?: 'magnitude' | 'largest' | 'smallest'
  /** Of the first vector. Default: 0. */
  readonly seed?: number
}

/** H v for a vector over all parameters, [D]. */
type Product = (vector: Tensor) => Tensor

const productFlow: Flow<Product> = {
  name: 'hessian products',
  run: (analysis) => {
    const { parameters } = analysis
    const leaves = parameters.map((parameter) => analysis.leaf(parameter))
    const slopes = parameters.map((parameter) => analysis.gradient(parameter))
    const flat = joined(slopes)
    // Built once for a vector that does not depend on the parameters, as those of later products would.
    const stand = placeholder(flat.shape, 'float32', 'vector')
    const product = joined(gradientOf(mul(flat, stand).sum(), leaves))
    const times: Product = (vector) => substitute([product], new Map([[stand, vector]]))[0] as Tensor
    return () => times
  },
}

const joined = (parts: readonly Tensor[]): Tensor =>
  concat(
    parts.map((x) => reshape(x, [sizeOf(x.shape)])),
    0,
  )

function HessianProduct(): Extension<Product> {
  return defineExtension(
    {
      name: 'hessian-product',
      options: {},
      flow: productFlow,
      parameter: ({ contribution }) => contribution,
    },
    ({ byParameter }) => [...byParameter][0]![1],
  )
}

/**
 * The Hessian's eigenvalue of largest magnitude, with its sign; relate it to 2 / rate. Few products are enough, since each tracked step begins
 * with the direction of the last one; the first is the least exact.
 */
export function HessMaxEV(options: HessMaxEVOptions = {}): Instrument {
  const { products = 6, which = 'magnitude', seed = 0 } = options
  if (!Number.isInteger(products) || products < 1) {
    throw new BeyondgradError(
      'value',
      `HessMaxEV: products is a positive number of products, not ${products}`,
    )
  }
  return defineInstrument({
    name: 'HessMaxEV',
    ...scheduled(options),
    extensions: { times: HessianProduct() },
    state: (parameters) => {
      const size = [...parameters].reduce((total, [{ shape }]) => total + sizeOf(shape), 0)
      const data = new Float32Array(size)
      fillRandom({ distribution: 'normal', seed, stream: 'HessMaxEV' }, 0, 1, 1, size, data)
      return { direction: buffer('direction', { shape: [size], dtype: 'float32', data }) }
    },
    measure: ({ results: { times }, state, updates }) => {
      const start = state.direction.value as Tensor
      const { basis, matrix } = lanczos(times, start, products)
      const found = combined(basis, matrix)
      return { matrix, direction: updates([[state.direction, where(usable(found), found, start)]]) }
    },
    log: ({ measured }) => {
      const { data, shape } = measured.matrix
      const values = symmetricEigenvalues(data, shape[0]!)
      if (values.length === 0) return NaN
      const [smallest, largest] = [Math.min(...values), Math.max(...values)]
      if (which === 'magnitude') return Math.abs(smallest) > Math.abs(largest) ? smallest : largest
      return which === 'largest' ? largest : smallest
    },
  })
}

const inner = (a: Tensor, b: Tensor): Tensor => mul(a, b).sum()
const lengthOf = (x: Tensor): Tensor => sqrt(inner(x, x))
const usable = (x: Tensor): Tensor<'bool'> => logicalAnd(isFinite(lengthOf(x)), greater(lengthOf(x), 0))
/** x for unit length; zeros where there is nothing left but rounding. */
const unit = (x: Tensor, least: Tensor | number): Tensor => {
  const length = lengthOf(x)
  return mul(x, where(greater(length, least), reciprocal(length), 0))
}

/** An orthonormal basis, each vector against all before, and the Hessian in it: [k, k]. */
function lanczos(
  times: Product,
  start: Tensor,
  steps: number,
): { readonly basis: readonly Tensor[]; readonly matrix: Tensor } {
  const basis = [unit(start, 0)]
  const diagonal: Tensor[] = []
  const beside: Tensor[] = []
  for (;;) {
    const newest = basis.at(-1)!
    let next = times(newest)
    const size = lengthOf(next)
    diagonal.push(inner(newest, next))
    if (diagonal.length === steps) return { basis, matrix: tridiagonal(diagonal, beside) }
    for (const vector of [...basis].reverse()) next = sub(next, mul(vector, inner(vector, next)))
    const least = mul(size, 1e-6)
    const length = lengthOf(next)
    beside.push(where(greater(length, least), length, 0))
    basis.push(unit(next, least))
  }
}

function tridiagonal(diagonal: readonly Tensor[], beside: readonly Tensor[]): Tensor {
  const size = diagonal.length
  const zero = constant(0)
  const entries = Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size]
    const value = i === j ? diagonal[i]! : Math.abs(i - j) === 1 ? beside[Math.min(i, j)]! : zero
    return reshape(value, [1])
  })
  return reshape(concat(entries, 0), [size, size])
}

/** Squarings of the small matrix: what is smaller by a thousandth is gone after 2¹⁴ products. */
const squarings = 14

/** The vector of the eigenvalue of largest magnitude, by powers of the small matrix: [D]. */
function combined(basis: readonly Tensor[], matrix: Tensor): Tensor {
  const size = basis.length
  let power = matrix
  for (let i = 0; i < squarings; i++) power = unit(matmul(power, power), 0)
  // No symmetry of the problem is one of these numbers.
  const mix = constant(Array.from({ length: size }, (_, i) => [1 / (1 + 0.37 * i)]))
  const coefficients = matmul(power, mix)
  const scale = unit(coefficients, 0)
  return basis
    .map((vector, i) => mul(vector, reshape(slice(scale, 0, i, i + 1), [])))
    .reduce((a, b) => a.add(b))
}
