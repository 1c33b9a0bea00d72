/**
 * @file Some entries of the samples' gradients, drawn evenly: [N, ...parameter.shape] is cut into as many stretches as entries are
 * wanted, and one is drawn of each. Positions are drawn when the graph is built; where a parameter has factors, an entry is the product
 * of what they have at two positions.
 */
import {
  BeyondgradError,
  build,
  constant,
  fillRandom,
  gatherAt,
  mul,
  reshape,
  type Shape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import { type ChunkedSamples, reduceChunks } from './sample-chunks.ts'
import type { OuterFactors, Use } from './use.ts'

export interface EntryDraw {
  /** How many; all of them, each once, if there are no more. */
  readonly count: number
  /** Default: 0. */
  readonly seed?: number
  /** Tells apart the draws of one seed, as a parameter's name does. Default: ''. */
  readonly stream?: string
  /** Tensors of the parameter's shape that are looked at in the same places. */
  readonly beside?: readonly Tensor[]
}

export interface DrawnEntries {
  /** [K]. */
  readonly entries: Tensor
  /** What each of `beside` has there: [K]. */
  readonly beside: readonly Tensor[]
  /** How many entries of P each stands for: 1 if they are all. */
  readonly share: number
}

/** What entries are drawn from. */
export interface EntrySource {
  readonly samples: number
  readonly shape: Shape
  /** Joined. */
  readonly uses: readonly Use[]
  /** P by chunks of samples, for what has no factors. */
  readonly chunked: () => ChunkedSamples
}

/** Where one sample's product has shared positions, so many of the samples are multiplied out for the draw: one of eight. */
const oneSampleOf = 8
/** Products of all samples with no more entries than this are made anyway. */
const fewEntries = 2 ** 18

export function drawEntries(source: EntrySource, options: EntryDraw): DrawnEntries {
  const { samples, shape, uses } = source
  const { count, seed = 0, stream = '', beside = [] } = options
  if (!Number.isInteger(count) || count < 1) {
    throw new BeyondgradError('value', `draw: count is a positive number of entries, not ${count}`)
  }
  const total = samples * sizeOf(shape)
  const some = Math.min(count, total)
  const strata = (of: number, size: number, what: string): number[] =>
    stratified(of, size, seed, `${stream} ${what}`)
  const [use, ...others] = uses
  const share = some === 0 ? 1 : total / some
  if (others.length === 0 && use!.factors.kind === 'outer' && use!.lay !== undefined) {
    const drawn = ofFactors({ use: use!, factors: use!.factors, lay: use!.lay, total, beside, some, strata })
    if (drawn !== undefined) return { ...drawn, share }
  }
  return { ...multipliedOut(source, strata(some, total, 'entries'), beside), share }
}

interface FactorDraw {
  readonly use: Use
  readonly factors: OuterFactors
  readonly lay: (vector: Tensor) => Tensor
  readonly total: number
  readonly beside: readonly Tensor[]
  readonly some: number
  readonly strata: (of: number, size: number, what: string) => number[]
}

/** Undefined where the factors stand for a part of the parameter only. */
function ofFactors(draw: FactorDraw): Omit<DrawnEntries, 'share'> | undefined {
  const { factors, lay, total, beside, some, strata } = draw
  const { cotangent, input } = factors
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  const out = cotangent.shape[2]!
  const each = groups * out * inner
  if (samples * each !== total || total >= 2 ** 31) return undefined
  const laid = (places: readonly number[]): Tensor[] =>
    beside.map((x) =>
      at(
        lay(x),
        places.map((place) => place % each),
      ),
    )
  if (positions === 1) {
    const places = strata(some, total, 'entries')
    const rowOf = (place: number): number => Math.floor(place / (out * inner))
    const left = places.map((place) => rowOf(place) * out + (Math.floor(place / inner) % out))
    const right = places.map((place) => rowOf(place) * inner + (place % inner))
    return { entries: mul(at(cotangent, left), at(input, right)), beside: laid(places) }
  }
  // A product over positions is as long for one entry as for all that share its row: few samples, whole.
  const isSmall = total <= fewEntries || some === total
  const chosen = isSmall
    ? samples
    : Math.min(samples, Math.max(Math.ceil(samples / oneSampleOf), Math.ceil(some / each)))
  const which = strata(chosen, samples, 'samples')
  const products =
    chosen === samples
      ? contraction.perSample(cotangent, input)
      : contraction.perSample(rowsBeforeWindows(cotangent, which), rowsBeforeWindows(input, which))
  const places = strata(some, chosen * each, 'entries')
  return { entries: at(products, places), beside: laid(places) }
}

/** Some of the samples on axis 0, taken before they are unfolded into windows: a window repeats what is in it. */
function rowsBeforeWindows(x: Tensor, which: readonly number[]): Tensor {
  const { op, inputs, shape, attributes } = x
  const [before] = inputs as readonly Tensor[]
  if (op.name === 'reshape' && before!.shape[0] === shape[0]) {
    return reshape(rowsBeforeWindows(before!, which), [which.length, ...shape.slice(1)])
  }
  if (op.name === 'unfold') return build<'float32'>(op, [rowsBeforeWindows(before!, which)], attributes)
  return gatherAt(x, positionsOf(which), 0)
}

/** A few samples' gradients at a time, of which the drawn entries are kept. */
function multipliedOut(
  { shape, chunked }: EntrySource,
  places: readonly number[],
  beside: readonly Tensor[],
): Omit<DrawnEntries, 'share'> {
  const each = sizeOf(shape)
  const entries = reduceChunks(
    chunked(),
    (products, { from, to }) => {
      const here = places.filter((place) => place >= from * each && place < to * each)
      return at(
        products,
        here.map((place) => place - from * each),
      )
    },
    'concat',
  )
  const own = places.map((place) => place % each)
  return { entries, beside: beside.map((x) => at(x, own)) }
}

/** Entries of a tensor by their places in row-major order: [K]. */
const at = (x: Tensor, places: readonly number[]): Tensor =>
  gatherAt(reshape(x, [sizeOf(x.shape)]), positionsOf(places), 0)

const positionsOf = (places: readonly number[]): Tensor<'int32'> =>
  constant(Int32Array.from(places), { shape: [places.length], dtype: 'int32' })

/** One number of each of `count` equal stretches of 0 … size − 1: all of them, if there are as many. */
function stratified(count: number, size: number, seed: number, stream: string): number[] {
  const offsets = new Float64Array(count)
  if (count < size) fillRandom({ distribution: 'uniform', seed, stream }, 0, 1, 1, count, offsets)
  return Array.from(offsets, (offset, i) => Math.min(size - 1, Math.floor(((i + offset) * size) / count)))
}
