/**
 * @file Whether 64-bit integers stay within the 32 bits that TensorFlow.js computes them in. Each op that may leave them
 * is computed again in floating point, which is enough to see it.
 */
import { type AnyTensor, DataError } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import { kernelOf } from './kernels/index.ts'
import type { Kernel } from './kernels/kernel.ts'

const growing = [
  'add',
  'sub',
  'mul',
  'neg',
  'abs',
  'square',
  'sum',
  'cumsum',
  'scatterAdd',
  'scatterElementsAdd',
]

/** Somewhat below 2³¹, since float32 rounds. */
const limit = 2 ** 31 - 2 ** 10

/** Computes the largest size among the elements of an int64 result; undefined if they can't overflow. */
export function overflowCheckOf(node: AnyTensor): Kernel | undefined {
  if (node.dtype !== 'int64') return undefined
  if (node.op.name === 'div') return byMinusOne
  const cast = node.op.name === 'cast' && node.inputs[0]!.dtype === 'float32'
  if (!cast && !growing.includes(node.op.name)) return undefined
  const kernel: Kernel = cast ? (_tf, [x]) => x! : kernelOf({ ...floatOf(node) })
  return (tf, operands) =>
    tf.max(
      tf.abs(
        kernel(
          tf,
          // Positions stay what they are.
          operands.map((x, i) => (node.inputs[i]!.dtype === 'int32' ? x : tf.cast(x, 'float32'))),
        ),
      ),
    )
}

/** Only a quotient by -1 can be too large: that of the least integer. */
const byMinusOne: Kernel = (tf, [a, b]) => {
  const dividend = tf.abs(tf.cast(a!, 'float32'))
  return tf.max(tf.mul(dividend, tf.cast(tf.equal(b!, tf.scalar(-1, 'int32')), 'float32')))
}

/** The signature of the same op on floating-point numbers, which is all that a kernel looks at. */
function floatOf(node: AnyTensor): AnyTensor {
  const { op, attributes, shape } = node
  const inputs = node.inputs.map((input) => ({
    ...input,
    op: input.op,
    shape: input.shape,
    dtype: 'float32',
  }))
  return { op, attributes, shape, inputs, dtype: 'float32' } as unknown as AnyTensor
}

export async function demandFit(
  checks: readonly { readonly node: AnyTensor; readonly value: Tensor }[],
): Promise<void> {
  for (const { node, value } of checks) {
    const [size] = await value.data()
    // NaN, too, is no integer.
    if (size! < limit) continue
    throw new DataError(
      `tfjs: op "${node.op.name}" on int64 reaches ${size}, which leaves the 32 bits that integers have in TensorFlow.js; use another engine`,
    )
  }
}
