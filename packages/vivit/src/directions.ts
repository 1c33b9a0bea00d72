/**
 * @file Directions of curvature, and what every sample has to say along them: one more pass over the same graph, with the Gram
 * matrix's eigenvectors as an input (Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, Section 3.2).
 */
import {
  backward,
  type Context,
  type Contribution,
  defineExtension,
  gradientFlow,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  add,
  concat,
  div,
  evaluate,
  mul,
  namedMap,
  reshape,
  sizeOf,
  slice,
  sqrt,
  square,
  sum,
  tensor,
  type Tensor,
  unsqueeze,
} from '@beyondgrad/tensor'
import type { Member } from './columns-of-group.ts'
import type { Criterion } from './criterion.ts'
import type { CommonOptions } from './options.ts'
import type { Route } from './route.ts'
import { type SolvedGroup, solvedGroups } from './solved-groups.ts'
import { columnFlow, type GroupSpectrum, membersOf, runOptions, step } from './spectrum.ts'

export interface DirectionOptions extends CommonOptions {
  /**
   * How to find them: through a matrix, which has all eigenvalues, or by 'lanczos' for `{ top }`. Default: what is estimated to be the
   * least work; results say what it was.
   */
  readonly route?: Route
  /** Which eigenvalues. Default: those above 10⁻⁴ of the largest. */
  readonly criterion?: Criterion
  /** The samples whose gradients count, by index; they stand for the whole batch. Default: all of them. */
  readonly gradientSamples?: readonly number[]
}

/** Numbers by parameter: [K, ...parameter.shape], in double precision. */
export interface DirectionValues {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** K directions of one group, in the order of their eigenvalues, ascending. */
export interface GroupDirections extends GroupSpectrum {
  /** Which of `eigenvalues` they belong to. */
  readonly indices: readonly number[]
  /** These eigenvalues: K numbers. */
  readonly values: Float64Array
  /** Unit vectors over the whole group; of each, the entry of largest size is positive. */
  readonly vectors: ParameterMap<DirectionValues>
}

/** What samples say along the directions. */
export interface GroupDerivatives extends GroupDirections {
  /** First derivatives of every sample's own loss, [N_g, K]. */
  readonly gammas: DirectionValues
  /** Second derivatives, by the generalised Gauss-Newton matrix, of every sample's own loss, [N_h, K]. */
  readonly lambdas: DirectionValues
}

interface Wanted {
  readonly loss: Tensor
  readonly options: DirectionOptions
  readonly derivatives: boolean
}

export async function directions({ loss, options, derivatives }: Wanted): Promise<{
  readonly groups: readonly GroupDerivatives[]
  readonly value: number
  readonly scale: SampleScale
}> {
  const { groups: solved, value } = await solvedGroups(loss, options)
  step(options, { step: 'directions', groups: solved.length })
  let scale: SampleScale = { each: 1, gradients: 1, curvature: 1 }
  const along = defineExtension(
    {
      name: 'ggn-directions',
      flow: columnFlow(options),
      needs: { gradients: contributions },
      parameter: ({ contribution }) => contribution,
    },
    ({ byParameter, needs, context }) => {
      scale = sampleScale(context, options)
      return solved.map((group) => {
        const members = membersOf(group.parameters, byParameter)
        const vectors = vectorsOf(group, members)
        if (!derivatives) return { vectors }
        return { vectors, ...derivativesOf(vectors, members, needs.gradients, options, scale.each) }
      })
    },
  )
  const { results } = await evaluate(backward(loss, { results: along }, options), runOptions(options))
  return { groups: solved.map((group, i) => finished(group, results[i]!)), value, scale }
}

/** Contributions themselves, for whoever needs them beside the columns. */
const contributions = /* @__PURE__ */ defineExtension({
  name: 'contributions',
  options: {},
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution,
})

/** How numbers of samples become those of the loss. */
export interface SampleScale {
  /** κ: what makes a sample's share of the loss its own loss – N under "mean", of which the loss is the mean; else 1. */
  readonly each: number
  /** What Σ over the chosen samples is multiplied with to stand for all: 1 / N_g under "mean", N / N_g under "sum". */
  readonly gradients: number
  readonly curvature: number
}

function sampleScale({ batchSize, normalizer }: Context, options: DirectionOptions): SampleScale {
  const isSum = normalizer.known === 1
  const each = isSum ? 1 : batchSize
  const of = (samples: readonly number[] | undefined): number =>
    (isSum ? batchSize : 1) / (samples?.length ?? batchSize)
  return { each, gradients: of(options.gradientSamples), curvature: of(options.curvatureSamples) }
}

/** Unit vectors, [K, ...parameter.shape] for each member. */
function vectorsOf({ coefficients, side }: SolvedGroup, members: readonly Member[]): readonly Tensor[] {
  const count = coefficients.shape[0]!
  const parts: Tensor[] = []
  let from = 0
  for (const { parameter, columns } of members) {
    const { shape } = parameter
    const to = from + sizeOf(shape)
    parts.push(
      side === 'parameters'
        ? reshape(slice(coefficients, 1, from, to), [count, ...shape])
        : columns.weightedSums(reshape(coefficients, [count, columns.columns, columns.samples])),
    )
    from = to
  }
  const squares = parts
    .map((part) => sum(reshape(square(part), [count, -1]), [1]))
    .reduce((a, b) => add(a, b))
  const lengths = sqrt(squares)
  return parts.map((part) => div(part, reshape(lengths, [count, ...part.shape.slice(1).map(() => 1)])))
}

/** f(0), f(1), … in one tensor: [count, ...shape]. */
function eachOf(count: number, shape: readonly number[], f: (k: number) => Tensor): Tensor {
  const rows = Array.from({ length: count }, (_, k) => unsqueeze(f(k), [0]))
  return rows.length === 0
    ? tensor(new Float32Array(0), { shape: [0, ...shape], dtype: 'float32' })
    : concat(rows, 0)
}

/** γ [N_g, K] and λ [N_h, K]. */
function derivativesOf(
  vectors: readonly Tensor[],
  members: readonly Member[],
  gradients: ParameterMap<Contribution>,
  { gradientSamples }: DirectionOptions,
  each: number,
): { readonly gammas: Tensor; readonly lambdas: Tensor } {
  const count = vectors[0]!.shape[0]!
  const direction = (i: number, k: number): Tensor =>
    reshape(slice(vectors[i]!, 0, k, k + 1), members[i]!.parameter.shape)
  const own = members.map(({ parameter }) => {
    const all = gradients.get(parameter)
    return gradientSamples === undefined ? all : all.ofSamples(gradientSamples)
  })
  const overMembers = (f: (i: number) => Tensor): Tensor =>
    members.map((_, i) => f(i)).reduce((a, b) => add(a, b))
  const gammas = eachOf(count, [own[0]!.samples], (k) =>
    mul(
      overMembers((i) => own[i]!.dot(direction(i, k))),
      each,
    ),
  )
  const lambdas = eachOf(count, [members[0]!.columns.samples], (k) =>
    mul(sum(square(overMembers((i) => members[i]!.columns.dot(direction(i, k)))), [0]), each),
  )
  return { gammas, lambdas }
}

/** What has been computed, with the signs that are agreed on. */
function finished(
  { side: _, coefficients, ...group }: SolvedGroup,
  result: {
    readonly vectors: readonly { readonly data: ArrayLike<number> }[]
    readonly gammas?: { readonly data: ArrayLike<number>; readonly shape: readonly number[] }
    readonly lambdas?: { readonly data: ArrayLike<number>; readonly shape: readonly number[] }
  },
): GroupDerivatives {
  const count = coefficients.shape[0]!
  const vectors = result.vectors.map(({ data }) => Float64Array.from(data))
  const signs = Array.from({ length: count }, (_, k) => signOf(vectors, k, count))
  vectors.forEach((data) => {
    const size = data.length / Math.max(1, count)
    for (let at = 0; at < data.length; at++) data[at]! *= signs[Math.floor(at / size)]!
  })
  const turned = (values: typeof result.gammas, sign: (k: number) => number): DirectionValues => {
    const samples = values?.shape[1] ?? 0
    const data = Float64Array.from({ length: samples * count }, (_, at) => {
      const [n, k] = [Math.floor(at / count), at % count]
      return values!.data[k * samples + n]! * sign(k)
    })
    return { shape: [samples, count], data }
  }
  return {
    ...group,
    values: Float64Array.from(group.indices, (place) => group.eigenvalues[place]!),
    vectors: namedMap(
      group.parameters.map(
        (parameter: Parameter, i) =>
          [parameter, { shape: [count, ...parameter.shape], data: vectors[i]! }] as const,
      ),
    ),
    gammas: turned(result.gammas, (k) => signs[k]!),
    lambdas: turned(result.lambdas, () => 1),
  }
}

/** −1 where the first of the largest entries of direction k is negative. */
export function signOf(vectors: readonly Float64Array[], k: number, count: number): number {
  let largest = 0
  for (const data of vectors) {
    const size = data.length / count
    for (let at = k * size; at < (k + 1) * size; at++) {
      if (Math.abs(data[at]!) > Math.abs(largest) * (1 + 1e-6)) largest = data[at]!
    }
  }
  return largest < 0 ? -1 : 1
}
