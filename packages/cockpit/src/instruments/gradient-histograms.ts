/**
 * @file Histograms of the entries of all samples' gradients, alone and against the parameters that they belong to. One spike at zero and
 * empty flanks tell of gradients that vanish; mass at the ends of gradients that explode, or of data of a wrong scale.
 */
import { buffer, type Buffer, type Contribution, type ParameterMap } from '@beyondgrad/autograd'
import {
  constant,
  max,
  maximum,
  type NDArray,
  neg,
  reshape,
  sizeOf,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import { defineInstrument, type Instrument } from '../instrument.ts'
import { binRange, type BinRange, type RangeOption } from './bin-range.ts'
import { checkEntries, drawAll, sampleRecord, type SampleOptions } from './drawn-entries.ts'
import { exactCounts, exactPairs, finiteSize, largestEntry, type TensorBins } from './exact-bins.ts'
import {
  type Bins,
  checkBins,
  countBins,
  countPairs,
  type Drawn,
  edgesOf,
  largestOf,
  type Range,
} from './histogram.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { Contributions } from './samples.ts'
import { setBuffer } from './sizes.ts'

interface HistogramOptions extends InstrumentOptions, SampleOptions {
  /**
   * Counts every entry, streaming over them: tens of times the price of a gradient. Default: a sample of entries, which says how many it
   * is of.
   */
  readonly exact?: boolean
}

export interface GradHist1dOptions extends HistogramOptions {
  /** Default: 100. */
  readonly bins?: number
  /** Default: 'largest'. */
  readonly range?: RangeOption
  /** Whether each parameter has counts of its own besides, in the same bins. Default: false. */
  readonly perParameter?: boolean
}

const minimumOf = 5e-7

/**
 * Histogram of all entries of all samples' gradients: `{ counts, edges, outside, notFinite, sampled?, error?, parameters? }`. Counts of a sample stand for
 * all entries; `sampled` says how many were drawn, `error` the relative error of a bin with one of a hundred entries. What is beyond the
 * range counts in the end bins, and in `outside`, below and above; what is not finite in `notFinite` alone.
 */
export function GradHist1d(options: GradHist1dOptions = {}): Instrument {
  const { bins: count = 100, range = 'largest', exact = false, perParameter = false } = options
  checkBins('GradHist1d', count, rangeIn(range))
  checkEntries('GradHist1d', options)
  const place = binRange(range)
  return defineInstrument({
    name: 'GradHist1d',
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    state: () => ({ range: rangeBuffer(place) }),
    measure: ({ results: { contributions }, state }) => {
      const total = entriesIn(contributions)
      if (!exact) {
        const { gradient, drawn } = drawAll(contributions, options)
        return { kind: 'drawn' as const, gradient, drawn, total }
      }
      const largest = [...contributions].map(([, each]) => largestEntry(each)).reduce((a, b) => maximum(a, b))
      const bins = tensorBins(count, place, largest, state.range)
      return { kind: 'exact' as const, counts: contributions.map((each) => exactCounts(each, bins)), largest }
    },
    log: ({ measured, step, batchSize, state }) => {
      if (measured.kind === 'drawn') {
        const values = scaledBy(measured.gradient, batchSize)
        const bins = { count, range: place.at(step, () => largestOf(values)) }
        const found = countBins(values, measured.drawn, bins)
        return {
          ...found,
          edges: edgesOf(bins),
          ...sampleRecord(measured.drawn, measured.total),
          ...(perParameter && {
            parameters: Object.fromEntries(
              measured.drawn.map((one) => [one.name, { counts: countBins(values, [one], bins).counts }]),
            ),
          }),
        }
      }
      const bins = { count, range: place.at(step, () => measured.largest.data[0]!) }
      keepRange(state.range, place)
      const each = measured.counts.map(({ data }) => Array.from(data as ArrayLike<number>))
      const counts = [...each].map(([, own]) => own).reduce((a, b) => a.map((x, i) => x + b[i]!))
      const [below, above, notFinite] = counts.slice(count) as [number, number, number]
      return {
        counts: counts.slice(0, count),
        outside: [below, above],
        notFinite,
        edges: edgesOf(bins),
        ...(perParameter && {
          parameters: each.map((own) => ({ counts: own.slice(0, count) })).toObject(),
        }),
      }
    },
  })
}

export interface GradHist2dOptions extends HistogramOptions {
  /** Of the gradient, and of the parameter. Default: 40 and 50. */
  readonly bins?: readonly [number, number]
  /** Of the gradient. Default: 'largest'. */
  readonly gradientRange?: RangeOption
  /** Of the parameter. Default: 'largest'. */
  readonly parameterRange?: RangeOption
  /** Whether each parameter has a histogram of its own besides. Default: false. */
  readonly perParameter?: boolean
}

/**
 * Histogram of gradient entries, rows, against the parameter's own value, columns: `{ counts, edges: [gradient, parameter], notFinite, sampled?,
 * error?, parameters? }`, as in `GradHist1d`.
 */
export function GradHist2d(options: GradHist2dOptions = {}): Instrument {
  const { bins: sizes = [40, 50], gradientRange = 'largest', parameterRange = 'largest' } = options
  const { exact = false, perParameter = false } = options
  checkBins('GradHist2d', sizes[0], rangeIn(gradientRange))
  checkBins('GradHist2d', sizes[1], rangeIn(parameterRange))
  checkEntries('GradHist2d', options)
  const places = [binRange(gradientRange), binRange(parameterRange)] as const
  const asBins = (step: number, largest: readonly [() => number, () => number]): [Bins, Bins] => [
    { count: sizes[0], range: places[0].at(step, largest[0]) },
    { count: sizes[1], range: places[1].at(step, largest[1]) },
  ]
  return defineInstrument({
    name: 'GradHist2d',
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    state: () => ({ rows: rangeBuffer(places[0]), columns: rangeBuffer(places[1]) }),
    measure: ({ results: { contributions }, state }) => {
      const values = [...contributions]
        .map(([{ value }]) => max(finiteSize(value)))
        .reduce((a, b) => maximum(a, b))
      if (!exact)
        return {
          kind: 'drawn' as const,
          ...drawAll(contributions, options),
          values,
          total: entriesIn(contributions),
        }
      const largest = [...contributions].map(([, each]) => largestEntry(each)).reduce((a, b) => maximum(a, b))
      const bins = [
        tensorBins(sizes[0], places[0], largest, state.rows),
        tensorBins(sizes[1], places[1], values, state.columns),
      ] as const
      const counts = contributions.map((each, parameter) => exactPairs(each, parameter.value, bins))
      return { kind: 'exact' as const, counts, values, largest }
    },
    log: ({ measured, step, batchSize, state }) => {
      const parameterSize = (): number => measured.values.data[0]!
      if (measured.kind === 'drawn') {
        const drawn = measured.drawn as readonly Drawn[]
        const gradient = scaledBy(measured.gradient, batchSize)
        const bins = asBins(step, [() => largestOf(gradient), parameterSize])
        const own = (of: readonly Drawn[]): { counts: number[][]; notFinite: number } =>
          countPairs(gradient, measured.parameter.data, of, bins)
        return {
          ...own(drawn),
          edges: bins.map(edgesOf),
          ...sampleRecord(drawn, measured.total),
          ...(perParameter && { parameters: Object.fromEntries(drawn.map((one) => [one.name, own([one])])) }),
        }
      }
      const bins = asBins(step, [() => measured.largest.data[0]!, parameterSize])
      keepRange(state.rows, places[0])
      keepRange(state.columns, places[1])
      const each = measured.counts.map(({ data }) => Array.from(data as ArrayLike<number>))
      const all = [...each].map(([, counts]) => counts).reduce((a, b) => a.map((x, i) => x + b[i]!))
      return {
        ...tableOf(all, sizes),
        edges: bins.map(edgesOf),
        ...(perParameter && { parameters: each.map((counts) => tableOf(counts, sizes)).toObject() }),
      }
    },
  })
}

function tableOf(
  flat: readonly number[],
  [rows, columns]: readonly [number, number],
): { counts: number[][]; notFinite: number } {
  const counts = Array.from({ length: rows }, (_, row) => flat.slice(row * columns, (row + 1) * columns))
  return { counts, notFinite: flat.at(-1)! }
}

const rangeIn = (option: RangeOption): Range | undefined =>
  option === 'largest' ? undefined : 'start' in option ? option.start : option

/** Entries of all samples' gradients. */
function entriesIn(contributions: ParameterMap<Contribution>): number {
  return [...contributions].reduce((total, [{ shape }, { samples }]) => total + samples * sizeOf(shape), 0)
}

/** Contributions carry the scale of a mean. */
function scaledBy({ data }: NDArray, factor: number): Float64Array {
  const { length } = data
  const scaled = new Float64Array(length)
  for (let i = 0; i < length; i++) scaled[i] = data[i]! * factor
  return scaled
}

/** The range that the engine bins by, where it does not depend on the step. */
function rangeBuffer(place: BinRange): Buffer {
  const [low, high] = place.now() ?? [0, 0]
  const data = Float64Array.of(low, high) as unknown as Float32Array<ArrayBuffer>
  return buffer('range', { shape: [2], dtype: 'float32', data })
}

function keepRange(of: Buffer, place: BinRange): void {
  const range = place.now()
  if (range !== undefined) setBuffer(of, Float64Array.from(range))
}

function tensorBins(count: number, place: BinRange, largest: Tensor, range: Buffer): TensorBins {
  if (place.now() === undefined) {
    const high = maximum(largest, constant(minimumOf))
    return { count, low: neg(high), high }
  }
  const end = (i: number): Tensor => reshape(slice(range.value as Tensor, 0, i, i + 1), [])
  return { count, low: end(0), high: end(1) }
}
