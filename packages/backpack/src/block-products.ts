/** @file Products of each parameter's own curvature block with vectors, without the block. */
import {
  blockFlow,
  defineExtension,
  type Extension,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'

/** Vectors for a parameter, `[K, ...parameter.shape]`: of a map, or made for each. */
export type BlockVectors = ParameterMap<Tensor> | ((parameter: Parameter) => Tensor)

export interface BlockProductOptions {
  /** What every parameter's block is multiplied with: K vectors `[K, ...parameter.shape]`, in one go. */
  readonly vectors: BlockVectors
}

export interface PositiveProductOptions extends BlockProductOptions {
  /** Negative eigenvalues are cut at zero ('clip', default), or become positive ('abs'). */
  readonly eigenvalues?: 'clip' | 'abs'
}

const vectorsFor = (vectors: BlockVectors, parameter: Parameter): Tensor =>
  typeof vectors === 'function' ? vectors(parameter) : vectors.get(parameter)

/**
 * Products with the generalised Gauss-Newton block of each parameter, `[K, ...parameter.shape]`: a tangent forward, the loss's
 * Hessian, and back, for every parameter by itself. Works where samples mix. For the whole network's matrix at once there is `ggnvp`.
 *
 * Throws `shape` for vectors of another shape than `[K, ...parameter.shape]`.
 *
 * Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", 2002.
 */
export function GGNMP({ vectors }: BlockProductOptions): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'ggnmp',
    flow: blockFlow('none'),
    merge: 'sum',
    parameter: ({ contribution, parameter }) => contribution(vectorsFor(vectors, parameter)),
  })
}

/**
 * Products with the Hessian block of each parameter, `[K, ...parameter.shape]`, exact for every network. For the whole network's
 * matrix at once there is `hvp`.
 *
 * Throws `shape` for vectors of another shape than `[K, ...parameter.shape]`.
 *
 * Source: Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
 */
export function HMP({ vectors }: BlockProductOptions): Extension<ParameterMap<Tensor>> {
  return defineExtension({
    name: 'hmp',
    flow: blockFlow('all'),
    merge: 'sum',
    parameter: ({ contribution, parameter }) => contribution(vectorsFor(vectors, parameter)),
  })
}

/**
 * Products with the positive-curvature Hessian block of each parameter, `[K, ...parameter.shape]`: the GGN, and of every op's
 * own second derivative what is positive – by definition, with the cotangent once (BackPACK multiplies it twice). The result is
 * positive semi-definite, and not the projection of the Hessian. Ops that bend across entries, such as a product of two
 * activations' matrices, have no known eigenvalues and are refused.
 *
 * Source: Chen, Chou and Chang, "BDA-PCH: Block-diagonal approximation of positive-curvature Hessian for training neural
 * networks", 2018.
 */
export function PCHMP(options: PositiveProductOptions): Extension<ParameterMap<Tensor>> {
  const { vectors, eigenvalues = 'clip' } = options
  if (!['clip', 'abs'].includes(eigenvalues)) {
    throw new BeyondgradError('value', `PCHMP: eigenvalues is "clip" or "abs", not "${String(eigenvalues)}"`)
  }
  return defineExtension({
    name: 'pchmp',
    flow: blockFlow(eigenvalues),
    merge: 'sum',
    parameter: ({ contribution, parameter }) => contribution(vectorsFor(vectors, parameter)),
  })
}
