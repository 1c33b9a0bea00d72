/**
 * @file Flows: what travels backward and arrives at the parameters. First-order contributions, columns of the GGN
 * (exact or Monte Carlo), weighted columns of the exact Hessian, or a flow of one's own.
 */
import { unsqueeze } from '@beyondgrad/tensor'
import { type Analysis, lossSlope, type MarkedLoss } from './analysis.ts'
import { useOf } from './boundary.ts'
import { ColumnSweep } from './column-sweep.ts'
import type { Columns } from './columns.ts'
import { type Contribution, contributionOf } from './contribution.ts'
import { HessianSweep } from './hessian-sweep.ts'
import { drawnColumns, exactColumns, oneAfterAnother, type StartingColumns } from './loss-columns.ts'
import { type AveragedCurvature, averagedMatrices } from './matrix-sweep.ts'
import type { Parameter } from './parameter.ts'
import { joinUses, noUse, type Use } from './use.ts'

/** The limits that a sweep keeps to. */
export interface FlowOptions {
  /** Memory that columns in flight may take, in bytes. */
  readonly memory: number
  /** More exact columns than this are refused. */
  readonly limit: number
  /** Told how many columns a sweep has, when it has started all. */
  readonly counted?: (columns: number) => void
}

/** Delivers something of type `Arrives` at each parameter. A flow runs once however many extensions ride on it. */
export interface Flow<out Arrives> {
  readonly name: string
  /**
   * Once for each `backward`, when the first extension asks.
   *
   * @param what the quantity that asked, for messages
   */
  run(analysis: Analysis, options: FlowOptions, what: string): (parameter: Parameter) => Arrives
}

/** Every sample's own gradient, factored. Its `sum` is the ordinary gradient. */
export const gradientFlow: Flow<Contribution> = {
  name: 'gradient',
  run: (analysis, _options, what) => (parameter) => {
    const uses = (): readonly Use[] => {
      const found: Use[] = []
      for (const entrance of analysis.entrances(what)) {
        for (const path of entrance.paths) {
          if (path.parameter.cell !== parameter.cell) continue
          const cotangent = analysis.cotangent(entrance.node)
          if (cotangent !== undefined) found.push(useOf(entrance, path, cotangent, false))
        }
      }
      if (found.length === 0) return [noUse(analysis.samples, parameter.shape)]
      return joinUses(found, false)
    }
    return contributionOf(uses, analysis.samples, () => analysis.gradient(parameter))
  },
}

export interface GGNFlowOptions {
  /**
   * 'exact': the columns of the loss Hessian's square root; a number: that many Monte-Carlo columns; 'empirical': one, the
   * slope of the loss at the target itself, whose outer products are the empirical Fisher matrix.
   */
  readonly samples?: 'exact' | 'empirical' | number
  /** Seeds the Monte-Carlo draws. Default: 0. */
  readonly seed?: number
}

/** Columns V of the generalised Gauss-Newton matrix, G = Σ V Vᵀ. */
export function ggnFlow(options: GGNFlowOptions = {}): Flow<Columns> {
  const { samples = 'exact', seed = 0 } = options
  // The same options are the same flow, so that extensions share its sweep.
  const key = typeof samples === 'number' ? `${samples} ${seed}` : samples
  let flow = ggnFlows.get(key)
  if (flow === undefined) ggnFlows.set(key, (flow = makeGGNFlow(samples, seed)))
  return flow
}

const ggnFlows = /* @__PURE__ */ new Map<string, Flow<Columns>>()

function makeGGNFlow(samples: 'exact' | 'empirical' | number, seed: number): Flow<Columns> {
  const start =
    (what: string) =>
    (loss: MarkedLoss): StartingColumns => {
      if (samples === 'exact') return exactColumns(loss)
      if (samples === 'empirical') return oneAfterAnother(unsqueeze(lossSlope(loss), [0]))
      return drawnColumns(loss, { draws: samples, seed }, what)
    }
  return {
    name: 'ggn',
    run: (analysis, flow, what) => new ColumnSweep(analysis, { what, start: start(what), ...flow }).run(),
  }
}

/** Weighted columns of the exact Hessian's diagonal blocks. */
export const hessianFlow: Flow<Columns> = {
  name: 'hessian',
  run: (analysis, flow, what) => new HessianSweep(analysis, { what, start: exactColumns, ...flow }).run(),
}

/** One matrix of curvature for the whole batch, averaged at every op: what KFRA is made of. Chains only. */
export const averagedFlow: Flow<AveragedCurvature> = {
  name: 'averaged',
  run: (analysis, { memory }, what) => averagedMatrices(analysis, { what, memory }),
}
