/** @file Products of the generalised Gauss-Newton matrix with vectors, without the matrix. */
import { BeyondgradError, mul, namedMap, sum, type Tensor, zeros } from '@beyondgrad/tensor'
import { analyse } from './analysis.ts'
import { jvp } from './derivative.ts'
import { parametersOf } from './dependence.ts'
import type { ParameterMap } from './parameter.ts'
import { demandShapeOf, pullBack } from './pullback.ts'

/**
 * G v for the generalised Gauss-Newton matrix G = Jᵀ H J of a loss: forward to the output, times the loss's Hessian there
 * (by its square root), and backward again. Schraudolph, "Fast curvature matrix-vector products", 2002.
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
  const sources = losses.map(({ definition, output, target, scale }) => {
    const root = definition.hessianRoot({ output, target })
    const moved = jvp(output, inputs, tangents)
    // ⟨Sᵥ, J v⟩ for every column and sample.
    const own = moved.shape.map((_, axis) => axis + 1).slice(1)
    const along = sum(mul(root, moved), own, { keep: true })
    return [output, mul(sum(mul(root, along), [0]), scale)] as const
  })
  const products = pullBack(sources, inputs)
  return namedMap(found.map(([parameter, leaf], i) => [parameter, products[i] ?? zeros(leaf.shape)] as const))
}
