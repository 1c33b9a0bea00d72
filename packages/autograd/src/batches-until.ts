/** @file Batches from any iterable, until a signal comes: also one that comes while the next batch is waited for. */
import { BeyondgradError, cancelled } from '@beyondgrad/tensor'

/** Throws `cancelled` when the signal has come, and `value` for what can't be iterated. */
export async function* batchesUntil<B>(
  batches: Iterable<B> | AsyncIterable<B>,
  signal: AbortSignal | undefined,
): AsyncGenerator<B, void, void> {
  const iterator = iteratorOf(batches)
  let isDone = false
  try {
    for (;;) {
      const next = await unlessCancelled(() => iterator.next(), signal)
      if (next.done === true) {
        isDone = true
        return
      }
      yield next.value
    }
  } catch (error) {
    // A source that fails has ended by itself, and one that is being waited for can't be told to.
    isDone = true
    if (signal?.aborted) void Promise.resolve(iterator.return?.()).catch(() => undefined)
    throw error
  } finally {
    if (!isDone) await iterator.return?.()
  }
}

function iteratorOf<B>(batches: Iterable<B> | AsyncIterable<B>): AsyncIterator<B> | Iterator<B> {
  const given = batches as Partial<Iterable<B> & AsyncIterable<B>> | null | undefined
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.()
  if (iterator !== undefined && typeof batches !== 'string') return iterator
  throw new BeyondgradError(
    'value',
    `accumulate: takes an array, an iterator or an async iterator of batches, not ${batches === null ? 'null' : typeof batches}`,
  )
}

async function unlessCancelled<T>(next: () => T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const stop = (): Error => cancelled('accumulate: cancelled between two batches')
  if (signal === undefined) return next()
  if (signal.aborted) throw stop()
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(stop())
    signal.addEventListener('abort', cancel, { once: true })
    Promise.resolve()
      .then(next)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', cancel))
  })
}
