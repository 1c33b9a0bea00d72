/** @file Products of the generalised Gauss-Newton matrix with vectors, without the matrix. */
import { type AnyTensor, BeyondgradError, mul, sum, type Tensor, zeros } from '@beyondgrad/tensor'
import { analyse } from './analysis.ts'
import { jvp } from './derivative.ts'
import { parametersOf } from './dependence.ts'
import type { Parameter, ParameterMap } from './parameter.ts'
import { checkCotangent, pullBack } from './pullback.ts'

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
  const leaves = parametersOf(outputs, parameters)
  const inputs: AnyTensor[] = []
  const tangents: Tensor[] = []
  for (const [parameter, leaf] of leaves) {
    const vector = vectors.get(parameter)
    checkCotangent(`ggnvp for "${parameter.name}"`, vector, leaf)
    inputs.push(leaf)
    tangents.push(vector)
  }
  const sources = losses.map(({ definition, output, target, scale }) => {
    const root = definition.hessianRoot({ output, target })
    const moved = jvp(output, inputs, tangents)
    const axes = moved.shape.map((_, i) => i + 1).slice(1)
    const along = sum(mul(root, moved), axes, { keep: true })
    return [output, mul(sum(mul(root, along), [0]), scale)] as const
  })
  const products = pullBack(sources, inputs)
  let next = 0
  return leaves.map((leaf: AnyTensor, _parameter: Parameter) => products[next++] ?? zeros(leaf.shape))
}
