/**
 * @file Samples' gradients chunk by chunk: made, handed to a function, reduced, and gone before the next are made. Each chunk waits for
 * what the last has become, so that no engine makes two at a time, and two reductions don't keep each other's.
 */
import {
  type AnyTensor,
  BeyondgradError,
  concat,
  isTensor,
  maximum,
  minimum,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'

/** Which samples a chunk has: `from` up to `to`. */
export interface SampleChunk {
  readonly from: number
  readonly to: number
  /** The chunk's rows of what is known of every sample: [N, ...] → [to − from, ...]. */
  readonly rows: (x: Tensor) => Tensor
}

/** What is made of a chunk: a tensor, or several by name. */
export type Reduced = Tensor | Readonly<Record<string, Tensor>>

/**
 * How what is made of chunks becomes one: entry by entry, joined along the first axis, or by a function of what there is so far and
 * the next.
 */
export type Fold = 'sum' | 'max' | 'min' | 'concat' | ((sofar: Tensor, next: Tensor) => Tensor)

export interface ReduceOptions {
  /** Samples in a chunk. Default: as many as keep a chunk and what is computed with it within the `memory` of `backward`. */
  readonly chunk?: number | undefined
}

const folds: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  sum: (a, b) => a.add(b),
  max: maximum,
  min: minimum,
}

/** A chunk, its copy in another layout, and two things that are computed from it. */
const copies = 4

/** How many samples of `size` floats each go into one chunk. */
export function chunkSize(size: number, memory: number): number {
  return Math.max(1, Math.floor(memory / (4 * copies * size)))
}

export interface ChunkedSamples {
  readonly samples: number
  /** Samples in a chunk. */
  readonly chunk: number
  /** Every sample's own gradient, [to − from, ...parameter.shape], computed after the tokens. */
  readonly perSample: (from: number, to: number, tokens: readonly AnyTensor[]) => Tensor
}

/** Goes through the chunks; `step` makes of what there is so far, a chunk, and the number of samples before it what there is then. */
export function foldChunks<S extends Readonly<Record<string, Tensor>>>(
  { samples, chunk, perSample }: ChunkedSamples,
  step: (sofar: S | undefined, perSample: Tensor, chunk: SampleChunk) => S,
): S {
  let sofar: S | undefined
  // Chunks of almost one size: two shapes at most.
  const count = Math.ceil(samples / Math.min(chunk, samples))
  const size = Math.ceil(samples / count)
  for (let from = 0; from < samples; from += size) {
    const to = Math.min(samples, from + size)
    const tokens = Object.values(sofar ?? {})
    sofar = step(sofar, perSample(from, to, tokens), { from, to, rows: (x) => slice(x, 0, from, to) })
  }
  return sofar!
}

/** Reduces what a function makes of every chunk. */
export function reduceChunks<R extends Reduced>(
  of: ChunkedSamples,
  each: (perSample: Tensor, chunk: SampleChunk) => R,
  fold: Fold,
): R {
  checkFold(fold)
  if (fold === 'concat') return joinChunks(of, each)
  const join = typeof fold === 'function' ? fold : folds[fold]!
  let isSingle = true
  const result = foldChunks<Readonly<Record<string, Tensor>>>(of, (sofar, perSample, chunk) => {
    const next = each(perSample, chunk)
    isSingle = isTensor(next)
    const named = namedOf(next)
    if (sofar === undefined) return named
    return mapValues(named, (x, name) => join(sofar[name]!, x))
  })
  return (isSingle ? result.only : result) as R
}

/** Parts of a result for every sample are tokens as they are; they are joined once. */
function joinChunks<R extends Reduced>(
  of: ChunkedSamples,
  each: (perSample: Tensor, chunk: SampleChunk) => R,
): R {
  const parts: Readonly<Record<string, Tensor>>[] = []
  let isSingle = true
  foldChunks<Readonly<Record<string, Tensor>>>(of, (_, perSample, chunk) => {
    const next = each(perSample, chunk)
    isSingle = isTensor(next)
    parts.push(namedOf(next))
    return parts.at(-1)!
  })
  const joined = mapValues(parts[0]!, (_, name) =>
    concat(
      parts.map((part) => part[name]!),
      0,
    ),
  )
  return (isSingle ? joined.only : joined) as R
}

function namedOf(made: Reduced): Readonly<Record<string, Tensor>> {
  if (isTensor(made)) return { only: made }
  const given: unknown = made
  const values: readonly unknown[] = typeof given === 'object' && given !== null ? Object.values(given) : []
  if (values.length > 0 && values.every(isTensor)) return made
  throw new BeyondgradError(
    'value',
    'reduce: the function must make a tensor of a chunk of samples, or an object of tensors',
  )
}

function checkFold(fold: unknown): void {
  if (
    typeof fold === 'function' ||
    fold === 'concat' ||
    (typeof fold === 'string' && Object.hasOwn(folds, fold))
  )
    return
  throw new BeyondgradError(
    'value',
    `reduce: chunks become one by 'sum', 'max', 'min', 'concat' or a function, not ${String(fold)}`,
  )
}

function mapValues(
  from: Readonly<Record<string, Tensor>>,
  f: (x: Tensor, name: string) => Tensor,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(Object.entries(from).map(([name, x]) => [name, f(x, name)]))
}
