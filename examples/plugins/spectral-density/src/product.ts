/** @file Products of a loss's curvature with flat vectors: compiled once, with the vectors as inputs of every run. */
import { ggnvp, hvp, type Parameter, parameterMap, type ParameterMap } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  compile,
  type Engine,
  type NDArray,
  reshape,
  sizeOf,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import type { MatrixProduct } from './lanczos.ts'

/** Whose spectrum: the Hessian of the loss, or its generalised Gauss-Newton matrix. */
export type Curvature = 'hessian' | 'ggn'

/**
 * The product of a loss's curvature with a vector over all parameters, one after the other, row-major. It throws `value` if a
 * parameter has changed since this was called, since it would be that of another matrix, and `cancelled` once the signal says so.
 */
export function curvatureProduct(
  loss: Tensor,
  matrix: Curvature,
  parameters: readonly Parameter[],
  options: { readonly engine?: Engine | undefined; readonly signal?: AbortSignal | undefined },
): { readonly product: MatrixProduct; readonly dispose: () => Promise<void> } {
  const versions = parameters.map(({ cell }) => cell.version)
  const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const run = compile((flat: Tensor) => productOf(loss, matrix, parameters, flat), { engine: options.engine })
  const call = run.with({ signal: options.signal })
  return {
    dispose: run.dispose,
    product: async (vector) => {
      const changed = parameters.find(({ cell }, i) => cell.version !== versions[i])
      if (changed !== undefined) {
        throw new BeyondgradError(
          'value',
          `spectralDensity: parameter "${changed.name}" changed meanwhile; wait for the result before you train on`,
        )
      }
      // As single-precision data where that is what the engine has; the reference engine takes doubles as they are.
      const data = vector as unknown as NDArray['data']
      const found = await call({ shape: [size], dtype: 'float32', data })
      const result = new Float64Array(size)
      let from = 0
      for (const { data: part } of found.parts) {
        result.set(part, from)
        from += part.length
      }
      return result
    },
  }
}

function productOf(
  loss: Tensor,
  matrix: Curvature,
  parameters: readonly Parameter[],
  flat: Tensor,
): { readonly parts: readonly Tensor[] } {
  let from = 0
  const vectors = parameterMap(parameters).map((_, { shape }): Tensor => {
    const to = from + sizeOf(shape)
    const part = reshape(slice(flat, 0, from, to), shape)
    from = to
    return part
  })
  if (matrix === 'ggn') return { parts: inOrder(ggnvp(loss, vectors), parameters) }
  return {
    parts: hvp(
      loss,
      parameters.map(({ value }) => value),
      inOrder(vectors, parameters),
    ),
  }
}

const inOrder = (map: ParameterMap<Tensor>, parameters: readonly Parameter[]): Tensor[] =>
  parameters.map((parameter) => map.get(parameter))
