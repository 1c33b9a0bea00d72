/** @file The family that Kronecker-factored curvature belongs to, with its choices in the open. */
import {
  averagedFlow,
  type AveragedCurvature,
  type Columns,
  defineExtension,
  type Extension,
  type Flow,
  ggnFlow,
  hessianFlow,
  type InputMoments,
  type KroneckerFactors,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError } from '@beyondgrad/tensor'
import { checkMode, combined, type KroneckerOptions } from './kronecker.ts'
import { checkSamples, type MonteCarloOptions } from './monte-carlo.ts'

export interface HBPOptions extends KroneckerOptions, MonteCarloOptions {
  /**
   * Which curvature: the generalised Gauss-Newton matrix ('ggn', default), the Hessian, or the Hessian with the eigenvalues of
   * every op's own second derivative made positive ('pch-abs') or cut at zero ('pch-clip').
   */
  readonly curvature?: 'ggn' | 'hessian' | 'pch-abs' | 'pch-clip'
  /** The loss's Hessian: exact (default), or drawn from the model's own distribution ('mc', with `samples` and `seed`). */
  readonly loss?: 'exact' | 'mc'
  /**
   * How it comes back: columns of every sample ('sqrt', default), or one matrix for the batch, averaged at every op ('average':
   * chains only, memory for the square of the features).
   */
  readonly transport?: 'sqrt' | 'average'
  /** What A is made of: E[a aᵀ] ('second-moment', default), or E[a] E[a]ᵀ ('mean'). */
  readonly inputs?: InputMoments
}

const choices = {
  curvature: ['ggn', 'hessian', 'pch-abs', 'pch-clip'],
  loss: ['exact', 'mc'],
  transport: ['sqrt', 'average'],
  inputs: ['second-moment', 'mean'],
}

const bendings = { ggn: 'none', hessian: 'all', 'pch-abs': 'abs', 'pch-clip': 'clip' } as const

/**
 * Kronecker-factored curvature by Hessian back-propagation, with a choice at every step; shapes as `KFAC`. By default it is `KFLR`;
 * `{ loss: 'mc' }` is `KFAC`, `{ transport: 'average' }` is `KFRA`. With `curvature: 'hessian'` and transport 'sqrt' every entry
 * that bends brings a column of its own, which `explain` counts.
 *
 * Throws `value` for a choice that is none, `unsupported` where a network has no such factors, naming the op or the parameter.
 *
 * Source: Dangel, Harmeling and Hennig, "Modular block-diagonal curvature approximations for feedforward architectures", AISTATS 2020.
 */
export function HBP(options: HBPOptions = {}): Extension<ParameterMap<KroneckerFactors>> {
  const {
    curvature = 'ggn',
    loss = 'exact',
    transport = 'sqrt',
    inputs = 'second-moment',
    mode = 'expand',
    samples = 1,
    seed = 0,
  } = options
  checkMode('HBP', mode)
  checkSamples('HBP', samples)
  const chosen = { curvature, loss, transport, inputs }
  for (const [name, allowed] of Object.entries(choices)) {
    const value: string = chosen[name as keyof typeof chosen]
    if (allowed.includes(value)) continue
    const list = allowed.map((each) => `"${each}"`).join(', ')
    throw new BeyondgradError('value', `HBP: ${name} is one of ${list}, not "${value}"`)
  }
  return defineExtension({
    name: 'hbp',
    options: { ...chosen, mode, ...(loss === 'mc' && { samples, seed }) },
    degree: combined.degree,
    // An averaged matrix and the product of mean inputs are not those of the parts.
    ...(transport === 'sqrt' && inputs === 'second-moment' && combined),
    flow: flowOf(chosen, loss === 'exact' ? 'exact' : samples, seed),
    parameter: ({ contribution }) => contribution.kroneckerFactors(mode, inputs),
  })
}

/** What arrives: either has Kronecker factors. */
function flowOf(
  { curvature, transport }: Required<Pick<HBPOptions, 'curvature' | 'transport'>>,
  samples: 'exact' | number,
  seed: number,
): Flow<Pick<Columns & AveragedCurvature, 'kroneckerFactors'>> {
  const bending = bendings[curvature]
  if (transport === 'average') return averagedFlow({ bending, samples, seed })
  return bending === 'none'
    ? ggnFlow({ samples, seed })
    : hessianFlow({ bending, as: 'columns', samples, seed })
}
