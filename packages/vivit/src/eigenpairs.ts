/** @file Eigenpairs of the generalised Gauss-Newton matrix, and what samples say along the eigenvectors. */
import type { Tensor } from '@beyondgrad/tensor'
import {
  directions,
  type DirectionOptions,
  type GroupDerivatives,
  type GroupDirections,
} from './directions.ts'

export type EigenpairOptions = Omit<DirectionOptions, 'gradientSamples'>

/**
 * Eigenpairs of each group's block of the generalised Gauss-Newton matrix, ascending: all eigenvalues, and unit vectors of those that
 * `criterion` chooses.
 *
 * Throws as `ggnSpectrum`, and `value` for a criterion that is none.
 */
export async function ggnEigenpairs(
  loss: Tensor,
  options: EigenpairOptions = {},
): Promise<{ readonly groups: readonly GroupDirections[]; readonly loss: number }> {
  const { groups, value } = await directions({ loss, options, derivatives: false })
  return { groups: groups.map(({ gammas: _, lambdas: __, ...group }) => group), loss: value }
}

/**
 * First and second derivatives of every sample's own loss along each direction, γ [N_g, K] and λ [N_h, K]. Under "mean" a sample's own
 * loss is that of which the whole is the mean, so that the mean of γ is the slope and that of λ the eigenvalue; under "sum" their sums
 * are.
 *
 * Throws as `ggnEigenpairs`.
 *
 * Source: Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, equations 9 and 10.
 */
export async function directionalDerivatives(
  loss: Tensor,
  options: DirectionOptions = {},
): Promise<{ readonly groups: readonly GroupDerivatives[]; readonly loss: number }> {
  const { groups, value } = await directions({ loss, options, derivatives: true })
  return { groups, loss: value }
}
