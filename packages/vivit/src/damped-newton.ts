/** @file Newton steps along the directions of largest curvature, damped for each. */
import type { ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, namedMap, type Tensor } from '@beyondgrad/tensor'
import {
  directions,
  type DirectionOptions,
  type DirectionValues,
  type GroupDerivatives,
} from './directions.ts'

/** What a damping may depend on. */
export interface DampingContext {
  readonly eigenvalue: number
  /** Every sample's first derivative along the direction, [N_g]. */
  readonly gammas: Float64Array
  /** Every sample's second derivative, [N_h]. */
  readonly lambdas: Float64Array
  /** Slope and curvature of the loss along it. */
  readonly gamma: number
  readonly lambda: number
}

export interface DampedNewtonOptions extends DirectionOptions {
  /** δ, the same for all directions, or what a function makes of each. */
  readonly damping: number | ((direction: DampingContext) => number)
}

export interface GroupNewtonStep extends GroupDerivatives {
  /** −γ / (λ + δ) for each direction. */
  readonly lengths: Float64Array
}

export interface NewtonStep {
  readonly groups: readonly GroupNewtonStep[]
  /** s = −Σₖ γₖ / (λₖ + δₖ) eₖ, for all parameters of all groups: to be added to them. */
  readonly step: ParameterMap<DirectionValues>
  readonly loss: number
}

/**
 * A damped Newton step within the span of each group's chosen directions.
 *
 * Throws as `directionalDerivatives`, and `value` where a damping leaves a curvature that is not positive.
 *
 * Source: Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, equation 11.
 */
export async function directionalDampedNewton(
  loss: Tensor,
  options: DampedNewtonOptions,
): Promise<NewtonStep> {
  const { groups, value, scale } = await directions({ loss, options, derivatives: true })
  const stepped = groups.map((group) => ({
    ...group,
    lengths: Float64Array.from(group.indices, (_, k) => {
      const [gammas, lambdas] = [column(group.gammas, k), column(group.lambdas, k)]
      const gamma = total(gammas) * scale.gradients
      const lambda = total(lambdas) * scale.curvature
      const direction = { eigenvalue: group.values[k]!, gammas, lambdas, gamma, lambda }
      const damping = typeof options.damping === 'function' ? options.damping(direction) : options.damping
      if (!(lambda + damping > 0)) {
        throw new BeyondgradError(
          'value',
          `damped Newton: along direction ${k} the curvature ${lambda} and the damping ${damping} add up to no positive number; choose a larger damping`,
        )
      }
      return -gamma / (lambda + damping)
    }),
  }))
  return {
    groups: stepped,
    loss: value,
    step: namedMap(
      stepped.flatMap(({ parameters, vectors, lengths }) =>
        parameters.map((parameter) => {
          const { data } = vectors.get(parameter)
          const size = data.length / Math.max(1, lengths.length)
          const sum = new Float64Array(parameter.shape.reduce((a, b) => a * b, 1))
          lengths.forEach((length, k) => {
            for (let i = 0; i < size; i++) sum[i]! += length * data[k * size + i]!
          })
          return [parameter, { shape: parameter.shape, data: sum }] as const
        }),
      ),
    ),
  }
}

const total = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)

function column({ shape, data }: DirectionValues, k: number): Float64Array {
  const [samples, count] = shape as readonly [number, number]
  return Float64Array.from({ length: samples }, (_, n) => data[n * count + k]!)
}
