/** @file Data that is read again for every product: one batch, several, or a function that makes them anew. */
import { type AnyTensor, BeyondgradError, hostData, isTensor } from '@beyondgrad/tensor'

/**
 * A batch is any object of tensors with data, as `{ inputs, targets }`. Several come as an array, as something that can be iterated
 * over again and again, or as a function that begins anew: `() => batches(dataset, { size, shuffle: false })`.
 */
export type BatchSource<B extends object> =
  B | readonly B[] | AsyncIterable<B> | (() => Iterable<B> | AsyncIterable<B>)

/** One reading of all batches. */
export type ReadBatches<B> = () => AsyncGenerator<B, void, void>

/** Throws `value` for what can be read once only. */
export function reread<B extends object>(what: string, data: BatchSource<B>): ReadBatches<B> {
  const source: unknown = data
  if (typeof source !== 'object' && typeof source !== 'function') {
    throw new BeyondgradError(
      'value',
      `${what}: data is a batch, an array of batches or a function that makes them, not ${typeof source}`,
    )
  }
  if (typeof source === 'function') {
    const make = source as () => Iterable<B> | AsyncIterable<B>
    return async function* () {
      let read = 0
      for await (const batch of make()) {
        read++
        yield batch
      }
      if (read === 0) throw noBatches(what)
    }
  }
  if (!isIterable(source)) {
    const only = source as B
    // eslint-disable-next-line @typescript-eslint/require-await -- one batch is read as many are
    return async function* () {
      yield only
    }
  }
  if (isReadOnce(source)) {
    throw new BeyondgradError(
      'value',
      `${what}: data is a generator, which can be read once only, and every product reads it; pass a function that makes it, as in () => batches(…)`,
    )
  }
  const again = source as Iterable<B> | AsyncIterable<B>
  return reread(what, () => again)
}

function noBatches(what: string): BeyondgradError {
  return new BeyondgradError(
    'value',
    `${what}: data has no batches, or no more at the second reading; pass a function that begins anew`,
  )
}

const isIterable = (x: object | null): boolean =>
  x !== null && (Symbol.iterator in x || Symbol.asyncIterator in x)

/** Generators are their own iterators. */
function isReadOnce(source: object | null): boolean {
  if (source === null || !('next' in source)) return false
  return typeof source.next === 'function'
}

/** The tensors of a batch, and how to put others in their place. */
export interface OpenBatch<B> {
  /** Equal for batches that differ in their tensors only. */
  readonly key: string
  readonly tensors: readonly AnyTensor[]
  /** The same batch with other tensors. */
  fill(tensors: readonly AnyTensor[]): B
}

/** Takes a batch apart. Throws `value` for tensors without data, and for what can't be told apart by its content. */
export function openBatch<B extends object>(what: string, batch: B): OpenBatch<B> {
  const tensors: AnyTensor[] = []
  type Fill = (tensors: readonly AnyTensor[]) => unknown
  const open = (
    value: unknown,
    path: string,
    depth: number,
  ): { readonly key: string; readonly fill: Fill } => {
    if (isTensor(value)) {
      if (hostData(value) === undefined) {
        throw new BeyondgradError(
          'value',
          `${what}: ${path} of a batch is an expression (${value.op.name}); compute it first with hold()`,
        )
      }
      const at = tensors.push(value) - 1
      return { key: '#', fill: (others) => others[at] }
    }
    if (depth < deepest && Array.isArray(value)) {
      const parts = value.map((each, i) => open(each, `${path}[${i}]`, depth + 1))
      return {
        key: `[${parts.map(({ key }) => key).join()}]`,
        fill: (others) => parts.map((part) => part.fill(others)),
      }
    }
    if (depth < deepest && isPlain(value)) {
      const parts = Object.entries(value).map(
        ([name, each]) => [name, open(each, `${path}.${name}`, depth + 1)] as const,
      )
      return {
        key: `{${parts.map(([name, { key }]) => `${JSON.stringify(name)}:${key}`).join()}}`,
        fill: (others) => Object.fromEntries(parts.map(([name, part]) => [name, part.fill(others)])),
      }
    }
    if (
      typeof value === 'object' ? value !== null : typeof value === 'function' || typeof value === 'symbol'
    ) {
      throw new BeyondgradError(
        'value',
        `${what}: ${path} of a batch is neither a tensor nor a number; a batch is an object of tensors, as { inputs, targets }`,
      )
    }
    return { key: `${typeof value} ${String(value)}`, fill: () => value }
  }
  const { key, fill } = open(batch, 'batch', 0)
  if (tensors.length === 0) {
    throw new BeyondgradError(
      'value',
      `${what}: a batch has no tensors; it is an object of tensors, as { inputs, targets }`,
    )
  }
  return { key, tensors, fill: (others) => fill(others) as B }
}

/** Objects that contain themselves have no end. */
const deepest = 16

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
