/**
 * @file Host arrays in and out. Integers are 32 bits wide in TensorFlow.js: wider ones go in as long as they fit, and
 * come out as what the graph says they are.
 */
import {
  type AnyTensor,
  BeyondgradError,
  constantData,
  DataError,
  type DType,
  type HostArray,
} from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from './backend.ts'

/** Where a leaf's data comes from in a run. */
export type Source = (feeds: readonly HostArray[]) => HostArray

type TfjsType = 'float32' | 'int32' | 'bool'

/** What elements of a dtype are in TensorFlow.js. */
export function typeOf(dtype: DType): TfjsType {
  if (dtype === 'float64') {
    throw new BeyondgradError(
      'unsupported',
      `tfjs: there is no float64 in TensorFlow.js; cast(x, 'float32'), or use another engine`,
    )
  }
  return dtype === 'int64' ? 'int32' : dtype
}

export function constantSource(node: AnyTensor): Source {
  const data = constantData(node)
  if (data === undefined) {
    throw new BeyondgradError(
      'engine',
      `tfjs: the leaf "${node.op.name}" of this graph is not among its inputs`,
    )
  }
  const narrowed = narrow(data, node.dtype)
  return () => narrowed
}

/** The array that TensorFlow.js takes for a dtype. */
function narrow(data: HostArray, dtype: DType): Float32Array | Int32Array | Uint8Array {
  const type = typeOf(dtype)
  if (data instanceof BigInt64Array) {
    return Int32Array.from(data, (value) => {
      if (BigInt.asIntN(32, value) === value) return Number(value)
      throw new DataError(
        `tfjs: ${value} does not fit into 32 bits, which integers have in TensorFlow.js; use another engine`,
      )
    })
  }
  if (type === 'float32') return data instanceof Float32Array ? data : Float32Array.from(data)
  if (type === 'int32') return data instanceof Int32Array ? data : Int32Array.from(data)
  return data instanceof Uint8Array ? data : Uint8Array.from(data, (value) => (value !== 0 ? 1 : 0))
}

/**
 * Call it with the backend as the current one.
 *
 * @param integers up to where the backend's integers are exact
 */
export function upload(tf: Tf, data: HostArray, { shape, dtype }: AnyTensor, integers: number): Tensor {
  const values = narrow(data, dtype)
  if (values instanceof Int32Array && integers < 2 ** 31) {
    const beyond = values.find((value) => Math.abs(value) > integers)
    if (beyond !== undefined) {
      throw new DataError(
        `tfjs: ${beyond} does not fit into the 24 bits that integers have on this backend of TensorFlow.js; use the wasm or cpu backend`,
      )
    }
  }
  return tf.tensor(values, shape as number[], typeOf(dtype))
}

/**
 * The values of results. Backends in JavaScript hand out the arrays they compute with, which may be those of the
 * caller, so what is not known to be ours alone is copied.
 */
export async function download(
  values: readonly Tensor[],
  nodes: readonly AnyTensor[],
): Promise<readonly HostArray[]> {
  const arrays = await Promise.all(values.map((value) => value.data()))
  return arrays.map((array, i) => {
    const { dtype } = nodes[i]!
    if (dtype === 'int64') return BigInt64Array.from(array as Int32Array, BigInt)
    const expected = dtype === 'bool' ? Uint8Array : dtype === 'int32' ? Int32Array : Float32Array
    // A cast of the cpu backend keeps the array that it is given.
    return array instanceof expected ? array.slice() : expected.from(array)
  })
}
