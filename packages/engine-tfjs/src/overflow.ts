/**
 * @file Whether integers stay within the bits that a backend computes them in: 32, or 24 on graphics cards, where they are
 * floating-point numbers inside. Each op that may leave them is computed again in floating point, which is enough to see it.
 */
import { type AnyTensor, DataError } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import { toFloats, view } from './kernels/axes.ts'
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

/** Somewhat below the end of what is exact, since float32 rounds. */
const limitOf = (integers: number): number => integers - 2 ** 10

/**
 * Computes the largest size among the elements of a result; undefined if they can't leave what the backend has.
 *
 * @param integers up to where the backend's integers are exact. 32-bit ones wrap by themselves where they have 32 bits.
 */
export function overflowCheckOf(node: AnyTensor, integers: number): Kernel | undefined {
  if (node.dtype !== 'int64' && (node.dtype !== 'int32' || integers === 2 ** 31)) return undefined
  if (node.op.name === 'div') return byMinusOne
  const cast = node.op.name === 'cast' && node.inputs[0]!.dtype === 'float32'
  if (!cast && !growing.includes(node.op.name)) return undefined
  const kernel: Kernel = cast ? (_tf, [x]) => x! : kernelOf({ ...floatOf(node) })
  return (tf, operands) => {
    // Flat, since graphics backends take few axes only.
    const floats = operands.map((operand, i) =>
      // Positions stay what they are.
      node.op.name.startsWith('scatter') && i === 1
        ? operand
        : view(tf, toFloats(tf, view(tf, operand, [operand.size])), operand.shape),
    )
    const result = kernel(tf, floats)
    return tf.max(tf.abs(view(tf, result, [result.size])))
  }
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
  integers: number,
): Promise<void> {
  for (const { node, value } of checks) {
    const [size] = await value.data()
    // NaN, too, is no integer.
    if (size! < limitOf(integers)) continue
    const bits = Math.log2(integers) === 24 ? '24 bits' : '32 bits'
    throw new DataError(
      `tfjs: op "${node.op.name}" on ${node.dtype} reaches ${size}, which leaves the ${bits} that integers have on this backend of TensorFlow.js; use another engine`,
    )
  }
}
