/** @file How curved the loss is on average, and gradient noise against curvature. */
import type { Extension, ParameterMap } from '@beyondgrad/autograd'
import { DiagGGN, DiagGGNMC, DiagHessian } from '@beyondgrad/backpack'
import { add, BeyondgradError, div, type Tensor } from '@beyondgrad/tensor'
import { defineInstrument, type Instrument } from '../instrument.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { added, Contributions } from './samples.ts'
import { numbersOf } from './sizes.ts'

export interface CurvatureOptions extends InstrumentOptions {
  /**
   * Which diagonal: the exact Hessian's (default), that of the generalised Gauss-Newton matrix, which is never negative, or an estimate
   * of the latter by one random column a sample, cheap and noisy.
   */
  readonly curvature?: 'diag-hessian' | 'diag-ggn' | 'diag-ggn-mc'
  /** Of the estimate. Default: 0. */
  readonly seed?: number
}

const diagonals = {
  'diag-hessian': () => DiagHessian(),
  'diag-ggn': () => DiagGGN(),
  'diag-ggn-mc': (seed: number) => DiagGGNMC({ seed }),
}

function diagonalOf(
  name: string,
  { curvature = 'diag-hessian', seed = 0 }: CurvatureOptions,
): Extension<ParameterMap<Tensor>> {
  if (Object.hasOwn(diagonals, curvature)) return diagonals[curvature](seed)
  const known = Object.keys(diagonals).join(', ')
  throw new BeyondgradError('value', `${name}: curvature is one of ${known}, not "${String(curvature)}"`)
}

/** Sum of the curvature's diagonal, for each parameter. Growing, the valley narrows. */
export function HessTrace(options: CurvatureOptions = {}): Instrument {
  return defineInstrument({
    name: 'HessTrace',
    ...scheduled(options),
    extensions: { diagonal: diagonalOf('HessTrace', options) },
    measure: ({ results }) => ({ traces: results.diagonal.map((x) => x.sum()) }),
    log: ({ measured }) => numbersOf(measured.traces),
  })
}

/** Added to the curvature, which may be zero. */
const eps = 1e-7

/**
 * Σⱼ (1/N) Σₙ gₙⱼ² / (hⱼ + 10⁻⁷): Takeuchi's criterion by entries, which near a minimum estimates the gap to the loss of new data. With the
 * Hessian's diagonal, single entries near zero decide it; the generalised Gauss-Newton matrix has none below.
 *
 * Source: Thomas, Pedregosa, van Merriënboer, Mangazol, Bengio and Le Roux, "On the interplay between noise and curvature and its effect on
 * optimization and generalization", AISTATS 2020.
 */
export function TICDiag(options: CurvatureOptions = {}): Instrument {
  return defineInstrument({
    name: 'TICDiag',
    ...scheduled(options),
    extensions: { contributions: Contributions(), diagonal: diagonalOf('TICDiag', options) },
    measure: ({ results, batchSize }) => ({
      ratio: added(
        results.contributions.map((each, parameter) =>
          div(each.sumOfSquares().mul(batchSize), add(results.diagonal.get(parameter), eps)).sum(),
        ),
      ),
    }),
    log: ({ measured }) => measured.ratio.data[0]!,
  })
}

/** (1/N) Σₙ ‖gₙ‖² / (Σⱼ hⱼ + 10⁻⁷): the same of the traces. */
export function TICTrace(options: CurvatureOptions = {}): Instrument {
  return defineInstrument({
    name: 'TICTrace',
    ...scheduled(options),
    extensions: { contributions: Contributions(), diagonal: diagonalOf('TICTrace', options) },
    measure: ({ results, batchSize }) => ({
      moment: added(results.contributions.map((each) => each.squaredNorm().sum())).mul(batchSize),
      trace: added(results.diagonal.map((x) => x.sum())),
    }),
    log: ({ measured }) => measured.moment.data[0]! / (measured.trace.data[0]! + eps),
  })
}
