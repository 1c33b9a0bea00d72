/** @file Extensions and what has been accumulated of their results: what accumulates, and in which order. */
import { BeyondgradError, evaluate, type NDArray, referenceEngine, tensor } from '@beyondgrad/tensor'
import { checkExtension } from './backward.ts'
import { combiner, type Combiner, demandFactor } from './combine.ts'
import type { Extension, Extensions } from './extension.ts'
import type { Combination, DegreeByKey, Merge } from './merge.ts'
import { type AnyArray, arraysIn, mapArrays, nameOf } from './result-arrays.ts'

/** One batch's result of one extension. */
export interface BatchResult {
  readonly result: unknown
  readonly samples: number
  /** 1 / c, c being what every term of the batch's loss is multiplied with under "mean"; 1 under "sum". */
  readonly terms: number
}

/** The results of one extension, batch by batch. */
export interface Accumulation {
  readonly extension: Extension<unknown>
  readonly needs: Readonly<Record<string, Accumulation>>
  /** Takes in a batch, before those that it needs have. */
  add(batch: BatchResult, needs: Readonly<Record<string, unknown>>): Promise<void>
  /** What has been taken in, as of a loss that averages over `terms`; 1 for a sum. */
  value(terms: number): unknown
}

/** Accumulations of extensions under the caller's keys, and all of them, needs before who needs them. */
export interface AccumulationPlan {
  readonly byKey: ReadonlyMap<string, Accumulation>
  readonly all: readonly Accumulation[]
}

/** Throws for extensions whose results cannot be combined. */
export function planAccumulation(extensions: Extensions): AccumulationPlan {
  const known = new Map<unknown, Accumulation>()
  const running = new Set<unknown>()
  const of = (extension: Extension<unknown>, user: string | undefined): Accumulation => {
    checkExtension(extension)
    const { identity, merge, needs } = extension['~spec']
    const key = identity ?? extension
    const found = known.get(key)
    if (found !== undefined) return found
    if (running.has(key)) throw new BeyondgradError('value', `extension "${extension.name}" needs itself`)
    running.add(key)
    if (merge === undefined) throw unmergeable(extension.name, user)
    const seen = typeof merge === 'function' ? needs : {}
    const below = Object.entries(seen).map(([as, need]) => [as, of(need, extension.name)] as const)
    const made = accumulationOf(extension, merge as Merge<unknown>, Object.fromEntries(below))
    known.set(key, made)
    return made
  }
  const byKey = new Map(Object.entries(extensions).map(([key, each]) => [key, of(each, undefined)]))
  return { byKey, all: [...known.values()] }
}

function unmergeable(name: string, user: string | undefined): BeyondgradError {
  return new BeyondgradError(
    'unsupported',
    user === undefined
      ? `accumulate: extension "${name}" says nothing of how the results of batches combine (it has no merge); ask backward() for it, with one batch, or leave it out`
      : `accumulate: the merge of extension "${user}" sees the results of "${name}", which it needs and which has no merge; ask backward() for it, with one batch, or leave it out`,
  )
}

/** Throws, under "mean", for degrees that say nothing of how a result of a part scales. */
export function demandDegrees({ all }: AccumulationPlan): void {
  for (const { extension } of all) {
    const { degree } = extension['~spec']
    const isNone = typeof degree === 'object' ? Object.values(degree).includes('none') : degree === 'none'
    if (!isNone) continue
    throw new BeyondgradError(
      'unsupported',
      `accumulate: the result of extension "${extension.name}" is of no degree in the loss, so that that of a batch can't be scaled to its share of a mean; use a loss with reduction "sum"`,
    )
  }
}

function accumulationOf(
  extension: Extension<unknown>,
  merge: Merge<unknown>,
  needs: Readonly<Record<string, Accumulation>>,
): Accumulation {
  const { degree } = extension['~spec']
  if (typeof merge === 'function') return byFunction(extension, merge, needs)
  const combiners = new Map<string, { readonly combiner: Combiner; readonly degree: number }>()
  let first: unknown
  const nameFor = (path: readonly string[]): string =>
    path.length === 0 ? `"${extension.name}"` : `"${extension.name}" of "${nameOf(path)}"`
  return {
    extension,
    needs,
    add: ({ result, samples, terms }) => {
      if (first === undefined) {
        first = result
        mapArrays(result, (array, path) => {
          const how = isCombination(merge) ? merge : keyed(extension.name, 'merge', merge, path)
          const own = degreeAt(extension.name, degree, path)
          combiners.set(nameOf(path), { combiner: combiner(nameFor(path), how, array), degree: own })
        })
      }
      const arrays = arraysIn(result)
      demandSameKeys(extension.name, combiners, arrays)
      for (const [name, array] of arrays) {
        const at = combiners.get(name)!
        at.combiner.add(array, terms ** at.degree, samples)
      }
      return Promise.resolve()
    },
    value: (terms) =>
      mapArrays(first, (_, path) => {
        const at = combiners.get(nameOf(path))!
        return at.combiner.value(terms ** -at.degree)
      }),
  }
}

function demandSameKeys(
  name: string,
  before: ReadonlyMap<string, unknown>,
  now: ReadonlyMap<string, unknown>,
): void {
  const odd =
    [...now.keys()].find((key) => !before.has(key)) ?? [...before.keys()].find((key) => !now.has(key))
  if (odd === undefined) return
  throw new BeyondgradError(
    'value',
    `accumulate: the result of extension "${name}" has "${odd}" for some batches only, so that they can't be combined`,
  )
}

/** Merges by a function: two at a time, on the host and in double precision, whatever the engine's. */
function byFunction(
  extension: Extension<unknown>,
  merge: Extract<Merge<unknown>, (...args: never[]) => unknown>,
  needs: Readonly<Record<string, Accumulation>>,
): Accumulation {
  const { name } = extension
  const { degree } = extension['~spec']
  let merged: { readonly result: unknown; readonly samples: number } | undefined
  /** How the engine's own arrays are made. */
  let likeness: ReadonlyMap<string, AnyArray> = new Map()
  const lazily = (result: unknown): unknown => mapArrays(result, (array) => tensor(array as NDArray))
  const scaled = (result: unknown, power: number): unknown =>
    mapArrays(result, (array, path) => timesPower(name, array, power, degreeAt(name, degree, path)))
  return {
    extension,
    needs,
    add: async ({ result, samples, terms }, own) => {
      const part = scaled(result, terms)
      if (merged === undefined) {
        likeness = arraysIn(result)
        merged = { result: part, samples }
        return
      }
      const before = Object.entries(needs).map(([as, need]) => [as, lazily(need.value(1))] as const)
      const now = Object.entries(own).map(([as, need]) => {
        const spec = needs[as]!.extension
        const power = (array: AnyArray, path: readonly string[]): unknown =>
          timesPower(spec.name, array, terms, degreeAt(spec.name, spec['~spec'].degree, path))
        return [as, lazily(mapArrays(need, power))] as const
      })
      const whole = merge([
        { result: lazily(merged.result), needs: Object.fromEntries(before), n: merged.samples },
        { result: lazily(part), needs: Object.fromEntries(now), n: samples },
      ])
      const { result: next } = await evaluate({ result: whole }, { engine: exact })
      merged = { result: next, samples: merged.samples + samples }
    },
    value: (terms) =>
      mapArrays(scaled(merged?.result, 1 / terms), (array, path) => {
        const like = likeness.get(nameOf(path))
        return like?.data instanceof Float32Array && array.data instanceof Float64Array
          ? { ...array, data: Float32Array.from(array.data) }
          : array
      }),
  }
}

/** Where function merges are evaluated. */
const exact = /* @__PURE__ */ referenceEngine()

/** α^degree times an array of floats. */
function timesPower(name: string, array: AnyArray, alpha: number, degree: number): AnyArray {
  const factor = alpha ** degree
  demandFactor(`"${name}"`, array, factor)
  if (factor === 1) return array
  const data = Float64Array.from(array.data as Float32Array, (x) => x * factor)
  return { ...array, data: data }
}

function degreeAt(name: string, degree: DegreeByKey, path: readonly string[]): number {
  const found = typeof degree === 'object' ? keyed(name, 'degree', degree, path) : degree
  // Under "mean" there is none left that says nothing; under "sum" it makes no difference.
  return typeof found === 'number' ? found : 0
}

const isCombination = (merge: Combination | Readonly<Record<string, Combination>>): merge is Combination =>
  typeof merge === 'string' || typeof merge.concat === 'number'

/** What was said for the tensor under this key. */
function keyed<T>(name: string, what: string, said: Readonly<Record<string, T>>, path: readonly string[]): T {
  const key = path.at(-1)
  const found = key === undefined ? undefined : said[key]
  if (found !== undefined) return found
  throw new BeyondgradError(
    'value',
    `accumulate: extension "${name}" has a ${what} for ${Object.keys(said).join(', ')}, but its result has "${nameOf(path)}"`,
  )
}
