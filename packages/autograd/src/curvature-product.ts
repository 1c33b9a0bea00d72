/** @file Products of the generalised Gauss-Newton matrix with vectors, without the matrix. */
import { BeyondgradError, mul, namedMap, type Tensor, zeros } from '@beyondgrad/tensor'
import { analyse } from './analysis.ts'
import { jvp } from './derivative.ts'
import { parametersOf } from './dependence.ts'
import { hessianProduct } from './loss-columns.ts'
import type { ParameterMap } from './parameter.ts'
import { demandShapeOf, pullBack } from './pullback.ts'

/**
 * G v for the generalised Gauss-Newton matrix G = Jᵀ H J of a loss: forward to the output, times the loss's Hessian there,
 * and backward again. Schraudolph, "Fast curvature matrix-vector products", 2002.
 *
 * @param vectors one of each parameter's shape, for all parameters jointly
 * @returns the product, by parameter
 */
export function ggnvp(loss: Tensor, vectors: ParameterMap<Tensor>): ParameterMap<Tensor> {
  const parameters = [...vectors].map(([parameter]) => parameter)
  const { losses } = analyse(loss, { parameters })
  if (losses.length === 0) {
    throw new BeyondgradError(
      'not-a-loss',
      'ggnvp: the loss contains no marked loss such as crossEntropy or mseLoss',
    )
  }
  const outputs = losses.map(({ output }) => output)
  const found = [...parametersOf(outputs, parameters)]
  const inputs = found.map(([, leaf]) => leaf)
  const tangents = found.map(([parameter, leaf]) => {
    const vector = vectors.get(parameter)
    demandShapeOf(`ggnvp for "${parameter.name}"`, 'vector', vector, leaf)
    return vector
  })
  const sources = losses.map((at) => {
    const moved = jvp(at.output, inputs, tangents)
    return [at.output, mul(hessianProduct(at, moved), at.scale)] as const
  })
  const products = pullBack(sources, inputs)
  return namedMap(found.map(([parameter, leaf], i) => [parameter, products[i] ?? zeros(leaf.shape)] as const))
}
