/** @file Padding with what is there already: reflected, repeated, or from the other end. */
import type { DType } from '../dtype.ts'
import { ShapeError } from '../errors.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { flip } from '../ops/flip.ts'
import { concat, expand, pad, slice } from '../ops/movement.ts'
import { checkList, formatShape } from '../shape.ts'

/**
 * What is put around an axis of elements a b c d: `reflect` … c b | a b c d | c b …, `symmetric` … b a | a b c d | d c …,
 * `edge` … a a | a b c d | d d …, `circular` … c d | a b c d | a b ….
 */
export type PadMode = 'constant' | 'reflect' | 'symmetric' | 'edge' | 'circular'

/**
 * Adds `before[i]` and `after[i]` elements around axis i; negative numbers cut off instead.
 *
 * @param mode where the elements come from
 * @param value what a constant padding consists of
 */
export function padWith<D extends DType>(
  x: Tensor<D>,
  before: readonly number[],
  after: readonly number[],
  mode: PadMode,
  value = 0,
): Tensor<D> {
  demandTensors('padWith', x)
  checkList('padWith', 'amounts', before)
  checkList('padWith', 'amounts', after)
  const rank = x.shape.length
  const amounts = [...before, ...after]
  if (before.length !== rank || after.length !== rank || !amounts.every(Number.isInteger)) {
    throw new ShapeError(
      'padWith',
      `[${before.join(', ')}] and [${after.join(', ')}] are not paddings of ${formatShape(x.shape)}`,
    )
  }
  if (mode === 'constant') {
    const grown = pad(x, before.map(positive), after.map(positive), value)
    return cropped(grown, before, after)
  }
  const around = sides[mode] as
    ((x: Tensor<D>, axis: number, count: number) => [Tensor<D>, Tensor<D>]) | undefined
  if (around === undefined) {
    throw new ShapeError(
      'padWith',
      `there is no mode "${String(mode)}"; use constant, ${Object.keys(sides).join(', ')}`,
    )
  }
  const whole = x.shape.reduce<Tensor<D>>((y, size, axis) => {
    const [head, tail] = [positive(before[axis]!), positive(after[axis]!)]
    const most = Math.max(head, tail)
    if (most === 0) return y
    const limit = mode === 'edge' ? (size === 0 ? 0 : Infinity) : mode === 'reflect' ? size - 1 : size
    if (most > limit) {
      throw new ShapeError(
        'padWith',
        `mode "${mode}" finds at most ${Math.max(0, limit)} elements for axis ${axis} of ${formatShape(x.shape)}, not ${most}`,
      )
    }
    const parts = [y]
    if (head > 0) parts.unshift(around(y, axis, head)[0])
    if (tail > 0) parts.push(around(y, axis, tail)[1])
    return concat(parts, axis)
  }, x)
  return cropped(whole, before, after)
}

const positive = (n: number): number => Math.max(0, n)

function cropped<D extends DType>(
  x: Tensor<D>,
  before: readonly number[],
  after: readonly number[],
): Tensor<D> {
  return before.reduce((y, head, axis) => {
    const start = Math.max(0, -head)
    const end = y.shape[axis]! - Math.max(0, -after[axis]!)
    if (end < start) {
      throw new ShapeError('padWith', `more is cut off axis ${axis} than ${formatShape(x.shape)} has`)
    }
    return slice(y, axis, start, end)
  }, x)
}

/** The `count` elements before and after an axis. */
const sides = {
  reflect: <D extends DType>(x: Tensor<D>, axis: number, count: number) => {
    const size = x.shape[axis]!
    return [
      flip(slice(x, axis, 1, count + 1), [axis]),
      flip(slice(x, axis, size - 1 - count, size - 1), [axis]),
    ]
  },
  symmetric: <D extends DType>(x: Tensor<D>, axis: number, count: number) => [
    flip(slice(x, axis, 0, count), [axis]),
    flip(slice(x, axis, x.shape[axis]! - count), [axis]),
  ],
  edge: <D extends DType>(x: Tensor<D>, axis: number, count: number) => {
    const full = (x.shape as number[]).with(axis, count)
    return [expand(slice(x, axis, 0, 1), full), expand(slice(x, axis, -1), full)]
  },
  circular: <D extends DType>(x: Tensor<D>, axis: number, count: number) => [
    slice(x, axis, x.shape[axis]! - count),
    slice(x, axis, 0, count),
  ],
}
