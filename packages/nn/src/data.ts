/** @file Mini-batches of a data set in memory. */
import type { Batch } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  type DType,
  fillRandom,
  formatShape,
  type NDArray,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'

/** Inputs and targets, sample by sample along axis 0. */
export interface Dataset<D extends DType = 'int32', I extends DType = 'float32'> {
  readonly inputs: NDArray<I>
  readonly targets: NDArray<D>
}

export interface BatchesOptions {
  /** Samples in a batch. */
  readonly size: number
  /** Determines the order; the same seed gives the same batches. Default: 0. */
  readonly seed?: number
  /** How often to go through the data; default 1. `Infinity` never ends. */
  readonly epochs?: number
  /** Default: true. */
  readonly shuffle?: boolean
  /** Leaves out a last batch that is smaller than `size`. Default: false. */
  readonly dropLast?: boolean
  /** Stops after this many batches. */
  readonly steps?: number
}

/**
 * Mini-batches of a data set, reshuffled for every epoch; each says by `indices` which samples it has. Throws `shape` if inputs and targets differ in number, or there
 * are none, and `value` for a size that is none.
 */
export async function* batches<D extends DType, I extends DType = 'float32'>(
  dataset: Dataset<D, I>,
  options: BatchesOptions,
): AsyncGenerator<Batch<Tensor<D>, Tensor<I>>, void, void> {
  const { size, seed = 0, epochs = 1, shuffle = true, dropLast = false, steps = Infinity } = options
  const count = dataset.inputs.shape[0] ?? 0
  if (count === 0 || dataset.targets.shape[0] !== count) {
    throw new BeyondgradError(
      'shape',
      `batches: inputs ${formatShape(dataset.inputs.shape)} and targets ${formatShape(dataset.targets.shape)} must have the same number of samples, and at least one`,
    )
  }
  if (!Number.isInteger(size) || size < 1) {
    throw new BeyondgradError('value', `batches: size must be a positive integer, not ${size}`)
  }
  for (let epoch = 0, step = 0; epoch < epochs; epoch++) {
    const order = shuffle ? permutation(count, seed, epoch) : undefined
    for (let from = 0; from < count; from += size) {
      const to = Math.min(count, from + size)
      if (dropLast && to - from < size) break
      if (step++ >= steps) return
      const which = Int32Array.from({ length: to - from }, (_, i) => order?.[from + i] ?? from + i)
      yield {
        inputs: tensor(rows(dataset.inputs, which)),
        targets: tensor(rows(dataset.targets, which)),
        // A tensor, too: batches that differ in tensors only are one program.
        indices: tensor(which, { shape: [which.length], dtype: 'int32' }),
      }
    }
    // Gives an event loop its turn even if the consumer never waits.
    await Promise.resolve()
  }
}

/** Rows of an array, copied: [which.length, ...]. Throws `value` for a row that is not there. */
export function rows<D extends DType>(array: NDArray<D>, which: ArrayLike<number>): NDArray<D> {
  const [count = 0, ...rest] = array.shape
  const stride = sizeOf(rest)
  const source = array.data as Float32Array
  const data = new (source.constructor as Float32ArrayConstructor)(which.length * stride)
  for (let i = 0; i < which.length; i++) {
    const row = which[i]!
    if (!(row >= 0 && row < count))
      throw new BeyondgradError('value', `rows: there is no row ${row} among ${count}`)
    data.set(source.subarray(row * stride, (row + 1) * stride), i * stride)
  }
  return { shape: [which.length, ...rest], dtype: array.dtype, data: data as never }
}

/** Fisher and Yates's shuffle, with numbers that depend on seed and epoch alone. */
function permutation(count: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i)
  const numbers = new Float64Array(count)
  fillRandom({ distribution: 'uniform', seed, stream: 'shuffle' }, epoch, 1, 1, count, numbers)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(numbers[i]! * (i + 1))
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}
