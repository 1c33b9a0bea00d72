/**
 * @file The spectrum of the generalised Gauss-Newton matrix, by way of its Gram matrix (Dangel, Tatzel and Hennig, "ViViT: Curvature
 * access through the generalized Gauss-Newton's low-rank structure", TMLR 2022).
 */
import {
  backward,
  type Columns,
  type Context,
  defineExtension,
  type Flow,
  ggnFlow,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError, evaluate, sizeOf, type Tensor } from '@beyondgrad/tensor'
import { groupMatrix, type Member, type Side } from './columns-of-group.ts'
import { type Eigenpairs, eigh } from './eigen/eigh.ts'
import { groupsOf } from './groups.ts'
import type { CommonOptions, SpectrumOptions, SpectrumProgress } from './options.ts'
import { demandRoute, type Route, sideOf, workOfGraph } from './route.ts'

/** The spectrum of one group of parameters. */
export interface GroupSpectrum {
  readonly parameters: readonly Parameter[]
  /** How they were found: by 'lanczos', `eigenvalues` are the largest alone, as many as were asked for. */
  readonly route: Route
  /**
   * Ascending: all that may differ from zero – as many as there are columns, or parameters if these are fewer – in units of the
   * loss. The matrix has `dimension` eigenvalues in all; the others are zero.
   */
  readonly eigenvalues: Float64Array
  /** How many parameters' entries the group has. */
  readonly dimension: number
  /** Eigenvalues below this are rounding noise. */
  readonly noise: number
}

export interface Spectrum {
  readonly groups: readonly GroupSpectrum[]
  /** The loss itself. */
  readonly loss: number
}

/** A group's matrix as numbers. */
export interface GroupProblem {
  readonly parameters: readonly Parameter[]
  readonly side: Side
  readonly matrix: Float64Array
  readonly rows: number
  readonly dimension: number
}

/** Single precision of engines decides what is noise. */
const epsilon = 2 ** -23

/**
 * All eigenvalues of each group's block of the generalised Gauss-Newton matrix.
 *
 * Throws `unsupported` where the columns have no root (an indefinite loss) or samples mix, `value` for groups that are none, and
 * `cancelled`.
 *
 * @param loss a linear combination of marked losses, such as `crossEntropy(model(x), y)`
 */
export async function ggnSpectrum(loss: Tensor, options: SpectrumOptions = {}): Promise<Spectrum> {
  demandRoute(options.route, 'a spectrum is all of them')
  const { problems, value } = await problemGraph(loss, options, options.route).run()
  const groups = problems.map((problem, group) => {
    step(options, { step: 'eigenvalues', group, groups: problems.length })
    return { ...describe(problem), ...spectrumOf(eigh(problem.matrix, problem.rows), problem.rows) }
  })
  return { groups, loss: value }
}

/** What is said of a group besides its eigenvalues. */
export const describe = ({
  parameters,
  dimension,
  side,
}: GroupProblem): Pick<GroupSpectrum, 'parameters' | 'dimension' | 'route'> => ({
  parameters,
  dimension,
  route: side === 'columns' ? 'gram' : 'parameters',
})

/** Eigenvalues, and from where on they are more than noise. */
export function spectrumOf(
  { values }: Pick<Eigenpairs, 'values'>,
  rows: number,
): Pick<GroupSpectrum, 'eigenvalues' | 'noise'> {
  return { eigenvalues: values, noise: Math.max(0, values.at(-1) ?? 0) * rows * epsilon }
}

/** Throws if it has been cancelled, and tells what comes next. */
export function step({ signal, onProgress }: CommonOptions, progress: SpectrumProgress): void {
  if (signal?.aborted) {
    throw new BeyondgradError('cancelled', `the spectrum was cancelled before its ${progress.step}`, {
      cause: signal.reason,
    })
  }
  onProgress?.(progress)
}

/** The first graph, which has a matrix for every group. */
export interface ProblemGraph {
  readonly groups: readonly (readonly Parameter[])[]
  /** Rows of each group's matrix. */
  readonly rows: readonly number[]
  /** Multiplications of a run. */
  work(): number
  run(): Promise<{ readonly problems: readonly GroupProblem[]; readonly value: number }>
}

export function problemGraph(loss: Tensor, options: CommonOptions, route: Route | undefined): ProblemGraph {
  let found: readonly (Pick<GroupProblem, 'parameters' | 'side' | 'dimension'> & {
    readonly tensor: Tensor
  })[] = []
  const matrices = defineExtension(
    {
      name: 'ggn-spectrum',
      flow: columnFlow(options),
      parameter: ({ contribution }) => contribution,
    },
    ({ byParameter, context }) => {
      found = groupsOf(context.parameters, options.groups ?? 'all').map((parameters) => {
        const members = membersOf(parameters, byParameter)
        const side = sideOf(members, route)
        return {
          parameters,
          side,
          dimension: dimensionOf(parameters),
          tensor: groupMatrix(members, side, curvatureScale(context, options)),
        }
      })
      return found.map(({ tensor }) => tensor)
    },
  )
  const lazy = backward(loss, { matrices }, options)
  return {
    groups: found.map(({ parameters }) => parameters),
    rows: found.map(({ tensor }) => tensor.shape[0]!),
    work: () => workOfGraph(() => lazy),
    run: async () => {
      step(options, { step: 'matrix', groups: found.length })
      const { value, results } = await evaluate({ value: loss, results: lazy.matrices }, runOptions(options))
      return {
        value: Number(value.data[0]),
        problems: found.map(({ parameters, side, dimension }, i) => {
          const { shape, data } = results[i]!
          return { parameters, side, dimension, rows: shape[0]!, matrix: Float64Array.from(data) }
        }),
      }
    },
  }
}

export const dimensionOf = (parameters: readonly Parameter[]): number =>
  parameters.reduce((total, { shape }) => total + sizeOf(shape), 0)

/** How the columns that count start. */
export const columnOptions = ({
  columns = 'exact',
  seed = 0,
}: Pick<CommonOptions, 'columns' | 'seed'>): {
  readonly samples: 'exact' | number
  readonly seed: number
} => ({ samples: columns, seed })

/** The columns that count: of the chosen samples alone. */
export const columnFlow = (options: CommonOptions): Flow<Columns> =>
  ggnFlow({ ...columnOptions(options), ofSamples: options.curvatureSamples })

export const runOptions = ({ engine, signal }: CommonOptions): Parameters<typeof evaluate>[1] => ({
  ...(engine && { engine }),
  ...(signal && { signal }),
})

export const membersOf = (
  parameters: readonly Parameter[],
  byParameter: ParameterMap<Columns>,
): readonly Member[] => parameters.map((parameter) => ({ parameter, columns: byParameter.get(parameter) }))

/** The samples that were chosen stand for all N: N / N_h. */
function curvatureScale({ batchSize }: Context, { curvatureSamples }: CommonOptions): number {
  return curvatureSamples === undefined ? 1 : batchSize / curvatureSamples.length
}
