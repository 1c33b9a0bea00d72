/** @file Elementwise ops. Neighbouring axes that broadcast alike are one axis for a backend. */
import {
  type AnyTensor,
  constantData,
  type DType,
  type HostArray,
  type Shape,
  sizeOf,
} from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'
import { typeOf } from '../data.ts'
import { expandTo, toFloats, view } from './axes.ts'
import type { Kernel, Rule } from './kernel.ts'

/** More axes than this are merged, or written out. */
const mostAxes = 4

type Unary = (tf: Tf, x: Tensor) => Tensor
export type Binary = (tf: Tf, a: Tensor, b: Tensor) => Tensor

export const unary =
  (apply: Unary): Rule =>
  ({ shape }) =>
  (tf, [x]) =>
    shape.length <= mostAxes ? apply(tf, x!) : view(tf, apply(tf, view(tf, x!, [x!.size])), shape)

/** @param writesOut whether operands that broadcast are written out first, unless they are one number */
export const binary =
  (apply: Binary, writesOut = false): Rule =>
  ({ shape, inputs }) => {
    const merged = mergeAxes(
      shape,
      inputs.map((input) => input.shape),
    )
    const all = merged[0]!.map((size, i) => Math.max(size, merged[1]![i]!))
    const operands = inputs.map((input, i): ((tf: Tf, x: Tensor) => Tensor) => {
      const own = merged[i]!
      if (sizeOf(input.shape) === 1) return (tf, x) => view(tf, x, [])
      if (!writesOut && own.length <= mostAxes) return (tf, x) => view(tf, x, own)
      return (tf, x) => view(tf, expandTo(tf, view(tf, x, own), all), [sizeOf(all)])
    })
    return (tf, [x, y]) => view(tf, apply(tf, operands[0]!(tf, x!), operands[1]!(tf, y!)), shape)
  }

/** What the wasm backend broadcasts twenty times slower than it computes. */
export const slowlyBroadcast = (apply: Binary): Rule => binary(apply, true)

/** Shapes of operands with neighbouring axes merged that all of them have, or that the same of them lack. */
function mergeAxes(shape: Shape, operands: readonly Shape[]): number[][] {
  const merged: number[][] = operands.map(() => [])
  let previous: string | undefined
  shape.forEach((size, axis) => {
    if (size === 1) return
    const sizes = operands.map((operand) => operand[axis - (shape.length - operand.length)] ?? 1)
    const pattern = sizes.map((d) => (d === 1 ? '1' : 'n')).join('')
    sizes.forEach((d, i) => {
      const target = merged[i]!
      if (pattern === previous) target[target.length - 1]! *= d
      else target.push(d)
    })
    previous = pattern
  })
  return merged
}

/** The value of a constant with one element, possibly expanded. */
export function scalarOf(node: AnyTensor): number | undefined {
  const source = node.op.name === 'expand' ? node.inputs[0]! : node
  const data: HostArray | undefined = constantData(source)
  return data?.length === 1 ? Number(data[0]) : undefined
}

/** NaN where there is one, 0 elsewhere. */
const onlyNaN: Unary = (tf, x) => tf.where(tf.notEqual(x, x), tf.fill(x.shape, NaN), tf.zeros(x.shape))

/** The wasm backend passes over NaN in the second operand, so a constant goes there if there is one. */
const extremum =
  (apply: Binary): Rule =>
  (node) => {
    const [a, b] = node.inputs
    if (node.dtype !== 'float32' || isNumber(b!)) return slowlyBroadcast(apply)(node)
    if (isNumber(a!)) return slowlyBroadcast((tf, x, y) => apply(tf, y, x))(node)
    return slowlyBroadcast((tf, x, y) => tf.add(apply(tf, x, y), onlyNaN(tf, y)))(node)
  }

const isNumber = (node: AnyTensor): boolean => {
  const value = scalarOf(node)
  return value !== undefined && value === value
}

/** The webgl backend makes 1 of 0 / 0. */
export const quotient: Binary = (tf, a, b) =>
  tf.getBackend() === 'webgl' ? tf.mul(a, tf.reciprocal(b)) : tf.div(a, b)

/** Some unary kernels compute integers in floating point, which binary ones don't. */
const exact =
  (floating: Unary, integer: Unary): Rule =>
  (node) =>
    unary(node.dtype === 'float32' ? floating : integer)(node)

const minus: Unary = (tf, x) => tf.sub(tf.scalar(0, 'int32'), x)

/**
 * The cpu backend multiplies in double precision, which has room for 32 bits times 16: b is taken as hi · 2¹⁶ + lo.
 */
const wholeProduct: Binary = (tf, a, b) => {
  if (tf.getBackend() !== 'cpu') return tf.mul(a, b)
  const half = tf.scalar(2 ** 16, 'int32')
  const low = tf.mod(b, half)
  const high = tf.floorDiv(tf.sub(b, low), half)
  return tf.add(tf.mul(a, low), tf.mul(tf.mul(a, high), half))
}

/** -1, 0, 1, or NaN, which TensorFlow.js takes for 0. */
const sign: Rule = exact(
  (tf, x) => tf.add(tf.sign(x), onlyNaN(tf, x)),
  (tf, x) => tf.sign(x),
)

const where: Rule = ({ shape, inputs }) => {
  const size = sizeOf(shape)
  const operands = inputs.map((input): ((tf: Tf, x: Tensor) => Tensor) => {
    const value = scalarOf(input)
    const type = typeOf(input.dtype)
    if (value !== undefined) return (tf) => tf.fill([size], value, type)
    const aligned = [...shape.slice(input.shape.length).map(() => 1), ...input.shape]
    return (tf, x) => view(tf, expandTo(tf, view(tf, x, aligned), shape), [size])
  })
  return (tf, values) => {
    const [condition, a, b] = values.map((value, i) => operands[i]!(tf, value))
    return view(tf, tf.where(condition!, a!, b!), shape)
  }
}

const cast: Rule = (node): Kernel => {
  const [from, type] = [typeOf(node.inputs[0]!.dtype), typeOf(node.attributes.to as DType)]
  if (from === type) return (_tf, [x]) => x!
  // The wasm backend takes the bytes of a number for a truth value.
  if (type === 'bool') return unary((tf, x) => tf.notEqual(x, tf.scalar(0, from)))(node)
  return unary((tf, x) => (type === 'float32' ? toFloats(tf, x) : tf.cast(x, type)))(node)
}

/** The webgl backend multiplies by a mask, which makes NaN of -∞. */
const relu: Unary = (tf, x) => (tf.getBackend() === 'webgl' ? tf.maximum(x, tf.scalar(0)) : tf.relu(x))

export const elementwise: Readonly<Record<string, Rule>> = {
  neg: exact((tf, x) => tf.neg(x), minus),
  abs: exact(
    (tf, x) => tf.abs(x),
    (tf, x) => tf.maximum(x, minus(tf, x)),
  ),
  sign,
  exp: unary((tf, x) => tf.exp(x)),
  log: unary((tf, x) => tf.log(x)),
  sqrt: unary((tf, x) => tf.sqrt(x)),
  square: exact(
    (tf, x) => tf.square(x),
    (tf, x) => wholeProduct(tf, x, x),
  ),
  reciprocal: unary((tf, x) => tf.reciprocal(x)),
  tanh: unary((tf, x) => tf.tanh(x)),
  sigmoid: unary((tf, x) => tf.sigmoid(x)),
  relu: unary(relu),
  add: binary((tf, a, b) => tf.add(a, b)),
  sub: binary((tf, a, b) => tf.sub(a, b)),
  mul: binary((tf, a, b) => (a.dtype === 'int32' ? wholeProduct(tf, a, b) : tf.mul(a, b))),
  pow: slowlyBroadcast((tf, a, b) => tf.pow(a, b)),
  maximum: extremum((tf, a, b) => tf.maximum(a, b)),
  minimum: extremum((tf, a, b) => tf.minimum(a, b)),
  where,
  cast,
}
