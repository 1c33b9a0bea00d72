/**
 * @file Flows: what travels backward and arrives at the parameters. First-order contributions, columns of the GGN
 * (exact or Monte Carlo), weighted columns of the exact Hessian, or a flow of one's own.
 */
import { sizeOf, type Tensor, unsqueeze } from '@beyondgrad/tensor'
import { type Analysis, lossSlope, type MarkedLoss } from './analysis.ts'
import { type Bending, type BlockProduct, blockProducts } from './block-product.ts'
import { useOf } from './boundary.ts'
import { ColumnSweep, type SweepOptions } from './column-sweep.ts'
import type { Columns } from './columns.ts'
import { type Contribution, contributionOf } from './contribution.ts'
import { HessianSweep } from './hessian-sweep.ts'
import { unitColumns } from './interaction.ts'
import type { AxisLabel } from './label.ts'
import {
  columnsOfSamples,
  drawnColumns,
  exactColumns,
  oneAfterAnother,
  type StartingColumns,
} from './loss-columns.ts'
import { type AveragedCurvature, averagedMatrices } from './matrix-sweep.ts'
import { narrowed } from './narrowed-analysis.ts'
import type { Parameter } from './parameter.ts'
import { pickIndices } from './some-samples.ts'
import { noUse, type Use } from './use.ts'

/** The limits that a sweep keeps to. */
export interface FlowOptions {
  /** Memory that columns in flight may take, or samples' gradients where they are multiplied out, in bytes. */
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
  run:
    (analysis, { memory }, what) =>
    (parameter) => {
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
        return found
      }
      return contributionOf({
        samples: analysis.samples,
        shape: parameter.shape,
        uses,
        gradient: () => analysis.gradient(parameter),
        memory,
      })
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
  /**
   * Columns of these samples alone, as `Columns.ofSamples` picks them. Where the graph can be made for fewer samples, only so many are
   * swept; otherwise they are picked in the end. Default: all samples.
   */
  readonly ofSamples?: readonly number[] | undefined
}

/** Columns V of the generalised Gauss-Newton matrix, G = Σ V Vᵀ. */
export function ggnFlow(options: GGNFlowOptions = {}): Flow<Columns> {
  const { samples = 'exact', seed = 0, ofSamples } = options
  const startIn =
    (what: string) =>
    (loss: MarkedLoss): StartingColumns =>
      samples === 'empirical' ? slopeColumn(loss) : startOf(samples, seed, what)(loss)
  // Lists of samples are too many to remember: whoever wants to share such a sweep shares the flow.
  if (ofSamples !== undefined) return flowOfSamples(startIn, [...ofSamples])
  return once(ggnFlows, typeof samples === 'number' ? `${samples} ${seed}` : samples, () => ({
    name: 'ggn',
    run: (analysis, flow, what) => new ColumnSweep(analysis, { what, start: startIn(what), ...flow }).run(),
  }))
}

/** Columns of some samples: swept alone, or picked in the end. */
function flowOfSamples(
  startIn: (what: string) => SweepOptions['start'],
  indices: readonly number[],
): Flow<Columns> {
  return {
    name: 'ggn of some samples',
    run: (analysis, flow, what) => {
      const pick = pickIndices(indices, analysis.samples)
      const start = startIn(what)
      const fewer = narrowed(analysis, indices)
      if (fewer === undefined) {
        const all = new ColumnSweep(analysis, { what, start, ...flow }).run()
        return (parameter) => all(parameter).ofSamples(indices)
      }
      // Columns start as they do in the whole batch, the drawn ones included.
      const picked = (loss: MarkedLoss): StartingColumns => columnsOfSamples(start(fewer.whole(loss)), pick)
      return new ColumnSweep(fewer, { what, start: picked, ...flow }).run()
    },
  }
}

const slopeColumn = (loss: MarkedLoss): StartingColumns => oneAfterAnother(unsqueeze(lossSlope(loss), [0]))

const ggnFlows = /* @__PURE__ */ new Map<string, Flow<Columns>>()

export interface HessianFlowOptions {
  /**
   * What of the second derivatives of ops counts: 'all' of them (the exact Hessian, default), or with eigenvalues made positive
   * ('abs') or cut at zero ('clip'): the positive-curvature Hessian of Chen, Chou and Chang, 2018.
   */
  readonly bending?: 'all' | 'abs' | 'clip'
  /**
   * Whether what is diagonal stays so, which costs least and knows the diagonal only ('diagonals', default), or becomes a column an
   * entry ('columns'), from which Kronecker factors can be made.
   */
  readonly as?: 'diagonals' | 'columns'
  /** How columns start at the loss, as for `ggnFlow`. Default: 'exact'. */
  readonly samples?: 'exact' | number
  /** Seeds the Monte-Carlo draws. Default: 0. */
  readonly seed?: number
}

/** Weighted columns of the exact Hessian's diagonal blocks, or of a positive variant of it. */
export function hessianFlow(options: HessianFlowOptions = {}): Flow<Columns> {
  const { bending = 'all', as = 'diagonals', samples = 'exact', seed = 0 } = options
  return once(hessianFlows, `${bending} ${as} ${samples} ${seed}`, () => ({
    name: 'hessian',
    run: (analysis, flow, what) => {
      const start = startOf(samples, seed, what)
      return new HessianSweep(analysis, { what, start, bending, expands: as === 'columns', ...flow }).run()
    },
  }))
}

const hessianFlows = /* @__PURE__ */ new Map<string, Flow<Columns>>()

export interface AveragedFlowOptions {
  /** What of the second derivatives of ops is added on the way, as for `hessianFlow`. Default: 'none', the GGN. */
  readonly bending?: Bending
  /** How the Hessian of the loss is summed: from exact columns, or so many drawn ones. Default: 'exact'. */
  readonly samples?: 'exact' | number
  /** Seeds the Monte-Carlo draws. Default: 0. */
  readonly seed?: number
}

/** One matrix of curvature for the whole batch, averaged at every op: what KFRA is made of. Chains only. */
export function averagedFlow(options: AveragedFlowOptions = {}): Flow<AveragedCurvature> {
  const { bending = 'none', samples = 'exact', seed = 0 } = options
  return once(averagedFlows, `${bending} ${samples} ${seed}`, () => ({
    name: 'averaged',
    run: (analysis, { memory }, what) =>
      averagedMatrices(analysis, { what, memory, bending, start: startOf(samples, seed, what) }),
  }))
}

const averagedFlows = /* @__PURE__ */ new Map<string, Flow<AveragedCurvature>>()

/**
 * Products of each parameter's own block of the curvature with vectors: of the generalised Gauss-Newton matrix ('none'), the
 * Hessian ('all') or the positive-curvature Hessian ('abs', 'clip'). Works where samples mix, too.
 */
export function blockFlow(bending: Bending): Flow<BlockProduct> {
  return once(blockFlows, bending, () => ({
    name: 'block',
    run: (analysis, _options, what) => blockProducts(analysis, bending, what),
  }))
}

const blockFlows = /* @__PURE__ */ new Map<string, Flow<BlockProduct>>()

/** One column for each entry of a sample's output, without the loss: what arrives are the rows of the Jacobian. */
export const jacobianFlow: Flow<Columns> = {
  name: 'jacobian',
  run: (analysis, flow, what) => {
    // An output that several losses look at is one.
    const seen = new Set<Tensor>()
    const start = ({ output }: MarkedLoss): StartingColumns => {
      const total = seen.has(output) ? 0 : sizeOf(output.shape.slice(1))
      seen.add(output)
      return { total, at: (from, to) => unitColumns(output.shape, axis0, analysis.samples, from, to) }
    }
    return new ColumnSweep(analysis, { what, start, scaled: false, ...flow }).run()
  },
}

const axis0: AxisLabel = { axis: 0, outer: 1, inner: 1 }

/** Columns at a loss: exact, or drawn. */
function startOf(
  samples: 'exact' | number,
  seed: number,
  what: string,
): (loss: MarkedLoss) => StartingColumns {
  return samples === 'exact' ? exactColumns : (loss) => drawnColumns(loss, { draws: samples, seed }, what)
}

/** The same options are the same flow, so that extensions share its sweep. */
function once<A>(known: Map<string, Flow<A>>, key: string, make: () => Flow<A>): Flow<A> {
  let flow = known.get(key)
  if (flow === undefined) known.set(key, (flow = make()))
  return flow
}
