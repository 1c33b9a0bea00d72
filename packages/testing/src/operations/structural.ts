/** @file Reductions, movement and matrix products. */
import {
  checkpoint,
  inTurn,
  argmax,
  cast,
  concat,
  cumsum,
  expand,
  matmul,
  max,
  mean,
  min,
  pad,
  reshape,
  type Shape,
  sizeOf,
  slice,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'
import { type Apply, fitted, isFilled, type Operation, pick, type Pool } from './operation.ts'

const hasAxes = (x: Tensor): boolean => x.shape.length > 0

function someAxes(x: Tensor, random: Numbers): number[] {
  const axes = x.shape.map((_, axis) => axis).filter(() => random.chance(0.4))
  return axes.length > 0 ? axes : [random.integer(x.shape.length)]
}

const reduction =
  (
    apply: (x: Tensor, axes: readonly number[], options: { readonly keep: boolean }) => Tensor,
    fits: (x: Tensor) => boolean,
  ): Apply =>
  (pool, random) => {
    const x = pick(pool.first, random, fits)
    return x && apply(x, someAxes(x, random), { keep: random.chance(0.3) })
  }

const largestPosition: Apply = (pool, random) => {
  const x = pick(pool.exact, random, (t) => hasAxes(t) && isFilled(t))
  return x && cast(argmax(x, random.integer(x.shape.length), { keep: random.chance(0.3) }), 'float32')
}

const accumulated: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasAxes)
  if (x === undefined) return undefined
  return cumsum(x, random.integer(x.shape.length), {
    exclusive: random.chance(0.4),
    reverse: random.chance(0.4),
  })
}

/** Engines work with so many. */
const mostAxes = 8

/** Sizes with the demanded product, in random order, some of them 1. */
function factors(size: number, random: Numbers): number[] {
  const parts: number[] = []
  for (let left = size; left > 1;) {
    const divisors = Array.from({ length: left - 1 }, (_, i) => i + 2).filter((d) => left % d === 0)
    const part = random.chance(0.25) ? left : random.pick(divisors)
    parts.push(part)
    left /= part
  }
  if (random.chance(0.3)) parts.splice(random.integer(parts.length + 1), 0, 1)
  return parts.slice(0, mostAxes)
}

const reshaped: Apply = (pool, random) => {
  const x = pick(pool.first, random, isFilled)
  if (x === undefined) return undefined
  const shape = factors(sizeOf(x.shape), random)
  return sizeOf(shape) === sizeOf(x.shape) ? reshape(x, shape) : undefined
}

function shuffled(rank: number, random: Numbers): number[] {
  const left = Array.from({ length: rank }, (_, i) => i)
  return Array.from({ length: rank }, () => left.splice(random.integer(left.length), 1)[0]!)
}

const transposed: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => t.shape.length > 1)
  return x && transpose(x, shuffled(x.shape.length, random))
}

const expanded: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => t.shape.length < mostAxes)
  if (x === undefined) return undefined
  const inner = x.shape.map((d) => (d === 1 && random.chance(0.7) ? random.between(2, 3) : d))
  const shape = random.chance(0.4) ? [random.between(1, 3), ...inner] : inner
  return sizeOf(shape) <= pool.largest ? expand(x, shape) : undefined
}

const sliced: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => t.shape.some((d) => d > 1))
  if (x === undefined) return undefined
  const axis = random.pick(x.shape.flatMap((d, i) => (d > 1 ? [i] : [])))
  const start = random.integer(x.shape[axis]!)
  const end = random.between(start + 1, x.shape[axis]!)
  return slice(x, axis, start, end, random.chance(0.3) ? random.between(2, 3) : 1)
}

const padded: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasAxes)
  if (x === undefined) return undefined
  const some = (): number => (random.chance(0.3) ? random.between(1, 2) : 0)
  const [before, after] = [x.shape.map(some), x.shape.map(some)]
  const size = sizeOf(x.shape.map((d, i) => d + before[i]! + after[i]!))
  return size <= pool.largest ? pad(x, before, after, random.chance(0.3) ? 0.5 : 0) : undefined
}

const joined: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasAxes)
  if (x === undefined) return undefined
  const axis = random.integer(x.shape.length)
  const sameElsewhere = (shape: Shape): boolean =>
    shape.length === x.shape.length && shape.every((d, i) => i === axis || d === x.shape[i])
  const parts = Array.from({ length: random.between(1, 2) }, () =>
    pick(pool.tensors, random, (t) => sameElsewhere(t.shape)),
  )
  const joint = concat([x, ...parts.filter((t) => t !== undefined)], axis)
  return sizeOf(joint.shape) <= pool.largest ? joint : undefined
}

const widened: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => t.shape.length < mostAxes)
  return x && unsqueeze(x, [random.integer(x.shape.length + 1)])
}

const product: Apply = (pool, random) => {
  const a = pick(pool.first, random, hasAxes)
  if (a === undefined) return undefined
  const b = partner(a, pool, random)
  if (b === undefined) return undefined
  if (random.chance(0.3) && a.shape.length > 1 && b.shape.length > 1) {
    return matmul(transposeLast(b), transposeLast(a))
  }
  return matmul(a, b)
}

/** Something to multiply from the right: out of the pool, the tensor itself, or made to measure. */
function partner(a: Tensor, pool: Pool, random: Numbers): Tensor | undefined {
  const inner = a.shape.at(-1)!
  const batch = a.shape.slice(0, -2)
  const size = (columns: number): number => sizeOf(a.shape.slice(0, -1)) * columns
  if (random.chance(0.3)) {
    const found = pick(
      pool.tensors,
      random,
      (t) => t.shape.length === 2 && t.shape[0] === inner && size(t.shape[1]!) <= pool.largest,
    )
    if (found !== undefined) return found
  }
  if (random.chance(0.2) && a.shape.length > 1 && size(a.shape.at(-2)!) <= pool.largest)
    return transposeLast(a)
  if (random.chance(0.2)) return fitted(pool, random, [inner])
  const columns = random.between(1, 3)
  if (size(columns) > pool.largest) return undefined
  const own = random.chance(0.4) ? batch.map((d) => (random.chance(0.3) ? 1 : d)) : []
  return fitted(pool, random, [...own, inner, columns])
}

export const structural: Readonly<Record<string, Operation>> = {
  sum: { apply: reduction((x, axes, options) => sum(x, axes, options), hasAxes) },
  mean: { apply: reduction(mean, (x) => hasAxes(x) && isFilled(x)) },
  max: {
    apply: reduction(
      (x, axes, options) => max(x, axes, options),
      (x) => hasAxes(x) && isFilled(x),
    ),
    exact: true,
  },
  min: {
    apply: reduction(
      (x, axes, options) => min(x, axes, options),
      (x) => hasAxes(x) && isFilled(x),
    ),
    exact: true,
  },
  argmax: { apply: largestPosition },
  cumsum: { apply: accumulated },
  checkpoint: {
    apply: (pool, random) => {
      const x = pick(pool.first, random)
      return x && checkpoint(x)
    },
    exact: true,
  },
  turn: {
    apply: (pool, random) => {
      const x = pick(pool.first, random)
      return x && inTurn(x, 'random')
    },
    exact: true,
  },
  reshape: { apply: reshaped, exact: true },
  transpose: { apply: transposed, exact: true },
  expand: { apply: expanded, exact: true },
  slice: { apply: sliced, exact: true },
  pad: { apply: padded, exact: true },
  concat: { apply: joined, exact: true },
  unsqueeze: { apply: widened, exact: true },
  matmul: { apply: product },
}
