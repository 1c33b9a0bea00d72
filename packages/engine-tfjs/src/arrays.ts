/** @file Arrays to and from tensors of TensorFlow.js, for programs that have both. */
import { DataError, type DType, DTypeError, type NDArray, type Shape } from '@beyondgrad/tensor'
import type * as Core from '@tensorflow/tfjs-core'

/** What a tensor of TensorFlow.js can become. */
export type TfjsDType = 'float32' | 'int32' | 'bool'

/** A tensor of TensorFlow.js, as far as its numbers go. */
export interface TfjsTensor {
  readonly shape: Shape
  readonly dtype: string
  data(): Promise<ArrayLike<number> | readonly string[]>
}

/** Of `@tensorflow/tfjs-core`, what makes a tensor. */
export interface TfjsModule {
  tensor(values: Float32Array | Int32Array | Uint8Array, shape: number[], dtype: TfjsDType): Core.Tensor
}

/**
 * The numbers of a tensor, copied from its device. The tensor stays, and stays the caller's to dispose of.
 *
 * @throws DTypeError for strings and complex numbers
 */
export async function arrayFromTfjs(x: TfjsTensor): Promise<NDArray<TfjsDType>> {
  const { dtype } = x
  const shape = [...x.shape]
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
    throw new DTypeError('arrayFromTfjs', `there is no dtype "${dtype}" here; cast to float32, int32 or bool`)
  }
  const numbers = (await x.data()) as ArrayLike<number>
  switch (dtype) {
    case 'float32':
      return { shape, dtype, data: Float32Array.from(numbers) }
    case 'int32':
      return { shape, dtype, data: Int32Array.from(numbers) }
    case 'bool':
      return { shape, dtype, data: Uint8Array.from(numbers, (value) => (value === 0 ? 0 : 1)) }
  }
}

/**
 * A tensor of TensorFlow.js, on the backend that is current there. It is the caller's to dispose of.
 *
 * @param tf the module: `import * as tf from '@tensorflow/tfjs-core'`
 * @throws DTypeError for float64; DataError for integers beyond 32 bits
 */
export function arrayToTfjs(tf: TfjsModule, { shape, dtype, data }: NDArray<DType>): Core.Tensor {
  switch (dtype) {
    case 'float32':
      // An array of the reference engine is in double precision. Copied, since TensorFlow.js may keep what it is given.
      return tf.tensor(Float32Array.from(data as Float32Array), [...shape], 'float32')
    case 'int32':
      return tf.tensor(Int32Array.from(data as Int32Array), [...shape], 'int32')
    case 'int64':
      return tf.tensor(narrowed(data as BigInt64Array), [...shape], 'int32')
    case 'bool':
      return tf.tensor(Uint8Array.from(data as Uint8Array), [...shape], 'bool')
    case 'float64':
      throw new DTypeError(
        'arrayToTfjs',
        'TensorFlow.js has no float64: convert the numbers to float32 before',
      )
  }
}

function narrowed(data: BigInt64Array): Int32Array {
  return Int32Array.from(data, (value, i) => {
    if (BigInt.asIntN(32, value) === value) return Number(value)
    throw new DataError(
      `arrayToTfjs: element ${i} is ${value}, beyond the 32 bits of integers in TensorFlow.js`,
    )
  })
}
