/**
 * @file Spectra of whole data sets, batch by batch: what has been seen so far is kept as a factor F of low rank, G ≈ Fᵀ F, to which the
 * columns of the next batch are appended; the small Gram matrix of both says what is worth keeping (an incremental singular value
 * decomposition; Brand, 2006).
 */
import {
  backward,
  type BackwardOptions,
  type Columns,
  defineExtension,
  ggnFlow,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { lossTerms, shareOfBatches } from '@beyondgrad/backpack'
import {
  add,
  BeyondgradError,
  compile,
  concat,
  type Engine,
  type Evaluated,
  matmul,
  namedMap,
  reshape,
  slice,
  sizeOf,
  type Tensor,
  tensor,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'
import type { Member } from './columns-of-group.ts'
import { type DirectionValues, signOf } from './directions.ts'
import { eigh } from './eigen/eigh.ts'
import { groupsOf, type ParameterGroups } from './groups.ts'
import { columnOptions, dimensionOf, membersOf } from './spectrum.ts'

export interface StreamedSpectrumOptions<B> extends Omit<BackwardOptions, 'samples'> {
  /** Batches, gone through once. */
  readonly data: Iterable<B> | AsyncIterable<B>
  /** The loss of one batch. */
  readonly loss: (batch: B) => Tensor
  /** How many eigenvalues of each group are kept from batch to batch. */
  readonly rank: number
  /** How much the loss of a batch counts in the whole. Default: under "mean" its share of all terms, 1 under "sum". */
  readonly share?: (batch: B) => number
  /** Default: 'all', the whole network. */
  readonly groups?: ParameterGroups
  /** As for `ggnSpectrum`. */
  readonly columns?: 'exact' | number
  /** Seeds the Monte-Carlo draws, which are those of the samples as they are numbered in the whole. Default: 0. */
  readonly seed?: number
  /** Default: the current engine. */
  readonly engine?: Engine
  /** Stops between batches, and a run where the engine can. */
  readonly signal?: AbortSignal
  /** Told after every batch. */
  readonly onProgress?: (progress: { readonly batches: number; readonly samples: number }) => void
}

/** The largest eigenpairs of one group over all batches. */
export interface StreamedGroup {
  readonly parameters: readonly Parameter[]
  /** How many parameters' entries the group has. */
  readonly dimension: number
  /** Ascending, at most `rank` of them: none is above its true value, and none more than `bound` below. */
  readonly eigenvalues: Float64Array
  /** Their unit vectors, [K, ...parameter.shape]; of each, the entry of largest size is positive. */
  readonly vectors: ParameterMap<DirectionValues>
  /** The largest eigenvalues that were given up, added up over the batches: zero where the rank was enough. */
  readonly bound: number
  /** Of the whole matrix, what was given up included. */
  readonly trace: number
  /** Eigenvalues below this are rounding noise. */
  readonly noise: number
}

export interface StreamedSpectrum {
  readonly groups: readonly StreamedGroup[]
  readonly loss: number
  readonly samples: number
  readonly batches: number
}

/** Single precision of engines decides what is noise. */
const epsilon = 2 ** -23

/** What is known of a group so far; everything in units of the batches' weights. */
interface Factor {
  readonly parameters: readonly Parameter[]
  readonly versions: readonly number[]
  /** [rank, ...p] of each parameter; rows are orthogonal. */
  rows: readonly { readonly shape: readonly number[]; readonly data: ArrayLike<number> }[]
  values: Float64Array
  bound: number
  trace: number
}

/**
 * The largest eigenvalues and eigenvectors of the generalised Gauss-Newton matrix over many batches, as of one big batch: exactly
 * where `rank` is at least that of the matrix, and within the bound that is reported otherwise. Two executions a batch.
 *
 * Throws as `ggnSpectrum`, and `value` for no batches, a rank that is none, and batches whose shares nothing says.
 */
export async function streamedSpectrum<B>(options: StreamedSpectrumOptions<B>): Promise<StreamedSpectrum> {
  const { data, loss: lossOf, rank, signal, onProgress } = options
  if (!Number.isInteger(rank) || rank < 1) {
    throw new BeyondgradError('value', `streamedSpectrum: rank must be an integer of at least 1, not ${rank}`)
  }
  const shares = shareOfBatches('streamedSpectrum')
  let factors: Factor[] | undefined
  let [total, samples, batches] = [0, 0, 0]
  for await (const batch of data) {
    if (signal?.aborted) {
      throw new BeyondgradError('cancelled', `streamedSpectrum was cancelled after ${batches} batches`, {
        cause: signal.reason,
      })
    }
    const part = batchOf(lossOf(batch), factors, samples, options)
    factors ??= part.groups.map((parameters) => emptyFactor(parameters))
    demandSameParameters(part.groups, factors, batches + 1)
    const { value, normalizers, factors: multiples, products } = await part.products()
    const weight = shares.weight({
      reduction: part.reduction,
      normalizers,
      factors: multiples,
      share: options.share?.(batch),
    })
    if (!(weight >= 0 && weight < Infinity)) {
      throw new BeyondgradError(
        'value',
        `streamedSpectrum: batch ${batches + 1} counts ${weight}, which must be a finite number from 0`,
      )
    }
    const mixes = factors.map((factor, g) => mix(factor, products[g]!, weight, rank))
    const rows = await part.combine(mixes)
    factors.forEach((factor, g) => (factor.rows = rows[g]!))
    total += weight * value
    samples += part.samples
    batches++
    onProgress?.({ batches, samples })
  }
  if (factors === undefined) {
    throw new BeyondgradError(
      'value',
      'streamedSpectrum: there are no batches; an iterator can be gone through only once',
    )
  }
  const whole = shares.whole()
  return { groups: factors.map((factor) => finished(factor, whole)), loss: total / whole, samples, batches }
}

const emptyFactor = (parameters: readonly Parameter[]): Factor => ({
  parameters,
  versions: parameters.map(({ cell }) => cell.version),
  rows: parameters.map(({ shape }) => ({ shape: [0, ...shape], data: new Float64Array(0) })),
  values: new Float64Array(0),
  bound: 0,
  trace: 0,
})

/** How the rows that are kept are made of those before, and of the batch's columns. */
interface Mix {
  /** [kept, before], row by row. */
  readonly before: Float64Array
  /** [kept, V · N]. */
  readonly columns: Float64Array
  readonly kept: number
}

/** Gram matrices between rows so far and columns, of one group. */
interface Products {
  readonly own: ArrayLike<number>
  readonly cross: ArrayLike<number>
  readonly gram: ArrayLike<number>
}

/** Chooses what is kept of a factor and the next columns, and notes what is not. */
function mix(factor: Factor, { own, cross, gram }: Products, weight: number, rank: number): Mix {
  const before = factor.values.length
  const columns = Math.round(Math.sqrt(gram.length))
  const size = before + columns
  const root = Math.sqrt(weight)
  const matrix = new Float64Array(size * size)
  for (let i = 0; i < before; i++) for (let j = 0; j <= i; j++) matrix[i * size + j] = own[i * before + j]!
  for (let i = 0; i < columns; i++) {
    const row = (before + i) * size
    for (let j = 0; j < before; j++) matrix[row + j] = root * cross[j * columns + i]!
    for (let j = 0; j <= i; j++) matrix[row + before + j] = weight * gram[i * columns + j]!
    factor.trace += weight * gram[i * columns + i]!
  }
  const { values, indices, vectors } = eigh(matrix, size, (all) => {
    const noise = Math.max(0, all.at(-1) ?? 0) * size * Number.EPSILON
    return [...all.keys()].filter((k) => all[k]! > noise).slice(-rank)
  })
  const kept = indices.length
  const lost = values[(indices[0] ?? size) - 1] ?? 0
  if (kept === rank) factor.bound += Math.max(0, lost)
  factor.values = Float64Array.from(indices, (k) => values[k]!)
  const [left, right] = [new Float64Array(kept * before), new Float64Array(kept * columns)]
  vectors.forEach((vector, k) => {
    left.set(vector.subarray(0, before), k * before)
    vector.subarray(before).forEach((x, i) => (right[k * columns + i] = root * x))
  })
  return { before: left, columns: right, kept }
}

/** Numbers as an engine's floats: the reference engine keeps doubles. */
const floats = (shape: readonly number[], data: ArrayLike<number>): Tensor =>
  tensor<'float32'>({ shape, dtype: 'float32', data: data as Float32Array })

interface Batch {
  readonly groups: readonly (readonly Parameter[])[]
  readonly samples: number
  readonly reduction: ReturnType<typeof lossTerms>['reduction']
  products(): Promise<{
    readonly value: number
    readonly normalizers: readonly number[]
    readonly factors: readonly number[]
    readonly products: readonly Products[]
  }>
  combine(mixes: readonly Mix[]): Promise<readonly Factor['rows'][]>
}

/** Both graphs of one batch. */
function batchOf<B>(
  loss: Tensor,
  factors: readonly Factor[] | undefined,
  first: number,
  options: StreamedSpectrumOptions<B>,
): Batch {
  const { engine, signal, groups: grouping = 'all' } = options
  let samples = 0
  let found: { readonly parameters: readonly Parameter[]; readonly members: readonly Member[] }[] = []
  const arriving = defineExtension(
    {
      name: 'streamed-spectrum',
      flow: ggnFlow(columnOptions(options)),
      parameter: ({ contribution }): Columns => contribution,
    },
    ({ byParameter, context }) => {
      samples = context.batchSize
      found = groupsOf(context.parameters, grouping).map((parameters) => ({
        parameters,
        members: membersOf(parameters, byParameter),
      }))
      return {}
    },
  )
  backward(loss, { arriving }, options)
  const run = <R extends object>(build: () => R): Promise<Evaluated<R>> =>
    compile(build, { engine, first: () => first }).with({ signal })()
  const rowsOf = (g: number): readonly Tensor[] =>
    (factors?.[g] ?? emptyFactor(found[g]!.parameters)).rows.map(({ shape, data }) => floats(shape, data))
  const parameters = found.flatMap((group) => group.parameters)
  const { reduction, normalizers, factors: multiples } = lossTerms(loss, parameters)
  return {
    groups: found.map((group) => group.parameters),
    samples,
    reduction,
    products: async () => {
      const result = await run(() => ({
        value: loss,
        normalizers: normalizers.map((each) =>
          typeof each === 'number' ? floats([], Float64Array.of(each)) : each,
        ),
        multiples,
        products: found.map(({ members }, g) => productsOf(members, rowsOf(g))),
      }))
      const numbers = (list: readonly { readonly data: ArrayLike<number> }[]): number[] =>
        list.map(({ data }) => data[0]!)
      return {
        value: Number(result.value.data[0]),
        normalizers: numbers(result.normalizers),
        factors: numbers(result.multiples),
        products: result.products.map(({ own, cross, gram }) => ({
          own: own.data,
          cross: cross.data,
          gram: gram.data,
        })),
      }
    },
    combine: async (mixes) => {
      const { rows } = await run(() => ({
        rows: found.map(({ members }, g) => combined(members, rowsOf(g), mixes[g]!)),
      }))
      return rows
    },
  }
}

/** Inner products of rows [R, …] and columns: [R, R], [R, V · N] and [V · N, V · N]. */
function productsOf(members: readonly Member[], rows: readonly Tensor[]): Record<keyof Products, Tensor> {
  const [count] = rows[0]!.shape as [number]
  const overMembers = (f: (member: Member, rows: Tensor) => Tensor): Tensor =>
    members.map((member, i) => f(member, rows[i]!)).reduce((a, b) => add(a, b))
  const { columns, samples } = members[0]!.columns
  const along = (k: number): Tensor =>
    overMembers(({ parameter, columns: own }, all) =>
      own.dot(reshape(slice(all, 0, k, k + 1), parameter.shape)),
    )
  return {
    own: overMembers((_, all) => {
      const flat = reshape(all, [count, sizeOf(all.shape.slice(1))])
      return matmul(flat, transposeLast(flat))
    }),
    cross:
      count === 0
        ? floats([0, columns * samples], new Float64Array(0))
        : concat(
            Array.from({ length: count }, (_, k) => unsqueeze(reshape(along(k), [columns * samples]), [0])),
            0,
          ),
    gram: overMembers(({ columns: own }) => own.gram()),
  }
}

/** The rows that are kept, [kept, …] for each member. */
function combined(
  members: readonly Member[],
  rows: readonly Tensor[],
  { before, columns, kept }: Mix,
): Tensor[] {
  return members.map(({ parameter, columns: own }, i) => {
    const weights = floats([kept, own.columns, own.samples], columns)
    const fresh = own.weightedSums(weights)
    const [count] = rows[i]!.shape as [number]
    if (count === 0 || kept === 0) return fresh
    const old = matmul(floats([kept, count], before), reshape(rows[i]!, [count, sizeOf(parameter.shape)]))
    return add(fresh, reshape(old, [kept, ...parameter.shape]))
  })
}

function demandSameParameters(
  groups: readonly (readonly Parameter[])[],
  factors: readonly Factor[],
  batch: number,
): void {
  const isSame =
    groups.length === factors.length &&
    groups.every((group, g) => {
      const { parameters } = factors[g]!
      return group.length === parameters.length && group.every(({ cell }, i) => cell === parameters[i]!.cell)
    })
  if (!isSame) {
    throw new BeyondgradError(
      'value',
      `streamedSpectrum: the loss of batch ${batch} depends on other parameters than that of the first batch; every batch must have the same loss`,
    )
  }
  for (const { parameters, versions } of factors) {
    const changed = parameters.find(({ cell }, i) => cell.version !== versions[i])
    if (changed === undefined) continue
    throw new BeyondgradError(
      'stale-parameter',
      `streamedSpectrum: parameter "${changed.name}" was updated before batch ${batch}, so that the batches are not of one loss; train when it is done, or begin again`,
    )
  }
}

function finished({ parameters, rows, values, bound, trace }: Factor, whole: number): StreamedGroup {
  const count = values.length
  const vectors = rows.map(({ data }) => Float64Array.from(data))
  const sizes = vectors.map((data) => data.length / Math.max(1, count))
  for (let k = 0; k < count; k++) {
    const squares = vectors.reduce((sum, data, i) => {
      for (let at = k * sizes[i]!; at < (k + 1) * sizes[i]!; at++) sum += data[at]! ** 2
      return sum
    }, 0)
    const length = signOf(vectors, k, count) * Math.sqrt(squares)
    vectors.forEach((data, i) => {
      for (let at = k * sizes[i]!; at < (k + 1) * sizes[i]!; at++) data[at]! /= length
    })
  }
  const eigenvalues = values.map((value) => value / whole)
  return {
    parameters,
    dimension: dimensionOf(parameters),
    eigenvalues,
    vectors: namedMap(
      parameters.map((parameter, i) => [
        parameter,
        { shape: [count, ...parameter.shape], data: vectors[i]! } satisfies DirectionValues,
      ]),
    ),
    bound: bound / whole,
    trace: trace / whole,
    noise: (eigenvalues.at(-1) ?? 0) * Math.max(count, 1) * epsilon,
  }
}
