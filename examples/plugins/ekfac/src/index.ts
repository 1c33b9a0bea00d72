/**
 * @file Curvature blocks in the eigenbasis of their Kronecker factors, with eigenvalues that are the block's true second moments there
 * (George, Laurent, Bouthillier, Ballas, Vincent, "Fast approximate natural gradient descent in a Kronecker-factored eigenbasis",
 * NeurIPS 2018).
 */
import {
  backward,
  type BackwardOptions,
  definePlugin,
  type KroneckerMode,
  type ParameterMap,
  type Plugin,
} from '@beyondgrad/autograd'
import { KFAC, KFLR } from '@beyondgrad/backpack'
import { type Engine, evaluate, type Tensor } from '@beyondgrad/tensor'
import { blockOf, type EKFACBlock } from './block.ts'
import { eigenbasis } from './eigenbasis.ts'
import { type Bases, EKFACEigenvalues } from './eigenvalues.ts'

export type { EKFACBlock } from './block.ts'
export type { Eigenbasis } from './eigenbasis.ts'
export { type Bases, EKFACEigenvalues, type EigenvaluesInBasis } from './eigenvalues.ts'

export interface EKFACOptions {
  /** 'exact': all columns of the generalised Gauss-Newton matrix; a number: that many Monte-Carlo ones. Default: 'exact'. */
  readonly samples?: 'exact' | number
  /** Seeds the Monte-Carlo draws. Default: 0. */
  readonly seed?: number
  /** Of the factors that give the bases, as KFAC's. Default: 'expand'. */
  readonly mode?: KroneckerMode
  /** Default: the current engine. */
  readonly engine?: Engine
  readonly backward?: BackwardOptions
}

/**
 * Both phases: Kronecker factors, whose eigenvectors are computed on the host in double precision, and in a second execution the
 * eigenvalues. Throws `data` where factors are not finite, and whatever `KFLR` and `KFAC` refuse.
 *
 * @param loss as for `backward`; it means the parameters as they were when it was built
 * @returns one block for each parameter
 */
export async function ekfac(loss: Tensor, options: EKFACOptions = {}): Promise<ParameterMap<EKFACBlock>> {
  const { samples = 'exact', seed = 0, mode = 'expand', engine } = options
  const kronecker = samples === 'exact' ? KFLR({ mode }) : KFAC({ mode, samples, seed })
  const { factors } = await evaluate(backward(loss, { factors: kronecker }, options.backward), { engine })
  const bases = factors.map(({ output, input }, { name }): Bases => {
    // The second factor of a table is diagonal, and comes as its diagonal.
    const isMatrix = input !== undefined && input.shape.length > 1
    return {
      output: eigenbasis(output, name),
      ...(isMatrix && { input: eigenbasis(input, name) }),
      whole: input === undefined,
    }
  })
  const second = { moments: EKFACEigenvalues(bases, { samples, seed }) }
  const { moments } = await evaluate(backward(loss, second, options.backward), { engine })
  return moments.map((each, parameter) => blockOf(bases.get(parameter), each, parameter))
}

/** No quantities by name: `ekfac` needs two executions, and the command line has one. */
const plugin: Plugin = definePlugin({ protocol: 1, name: 'beyondgrad-ekfac' })
export default plugin
