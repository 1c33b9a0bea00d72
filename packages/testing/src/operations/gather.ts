/**
 * @file Indexing and sorting. Indices are drawn, or made of numbers that are the same in every precision: then they
 * differ from sample to sample, and from example to example.
 */
import {
  abs,
  argsort,
  cast,
  constant,
  flip,
  gather,
  gatherElements,
  gatherND,
  intTensor,
  minimum,
  mul,
  reshape,
  scatterAdd,
  scatterElements,
  scatterElementsAdd,
  scatterND,
  type ScatterReduction,
  type Shape,
  sizeOf,
  slice,
  sort,
  stack,
  type Tensor,
  topIndices,
  topK,
} from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'
import { type Apply, fitted, isFilled, type Operation, pick, type Pool } from './operation.ts'

const hasElements = (x: Tensor): boolean => x.shape.length > 0 && isFilled(x)

type Positions = Tensor<'int32'>

/** Indices of the demanded shape on an axis of `size`, some of them negative where they are drawn. */
function indices(shape: Shape, size: number, random: Numbers): Positions {
  const data = Int32Array.from({ length: sizeOf(shape) }, () => random.between(-size, size - 1))
  if (random.chance(0.5)) return constant(data, { shape, dtype: 'int32' })
  return reshape(intTensor([...data]), shape)
}

/** Whole parts of numbers, as far as the axis reaches. */
function positionsFrom(x: Tensor, size: number): Positions {
  return minimum<'int32'>(cast(mul(abs(x), 2), 'int32'), size - 1)
}

function someIndices(pool: Pool, size: number, random: Numbers): Positions {
  const source = random.chance(0.6) ? pick(pool.exact, random, (t) => t.shape.length < 3) : undefined
  if (source !== undefined && isFilled(source)) return positionsFrom(source, size)
  const rank = random.integer(3)
  return indices(
    Array.from({ length: rank }, () => random.between(1, 3)),
    size,
    random,
  )
}

/** Indices of exactly this shape. */
function indicesLike(pool: Pool, shape: Shape, size: number, random: Numbers): Positions {
  const same = (t: Tensor): boolean =>
    t.shape.length === shape.length && t.shape.every((d, i) => d === shape[i])
  const source = random.chance(0.6) ? pick(pool.exact, random, same) : undefined
  return source ? positionsFrom(source, size) : indices(shape, size, random)
}

const someAxis = (x: Tensor, random: Numbers): number => random.integer(x.shape.length)

const taken: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => hasElements(t) && t.shape.length < 5)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const at = someIndices(pool, x.shape[axis]!, random)
  const size = (sizeOf(x.shape) / x.shape[axis]!) * sizeOf(at.shape)
  return size <= pool.largest && x.shape.length + at.shape.length <= 6 ? gather(x, at, axis) : undefined
}

const added: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const places = random.between(0, Math.min(2, x.shape.length - axis))
  const size = random.between(1, 4)
  const shape = x.shape.slice(axis, axis + places)
  if ((sizeOf(x.shape) / sizeOf(shape)) * size > pool.largest) return undefined
  return scatterAdd(x, indicesLike(pool, shape, size, random), axis, size)
}

const elementsTaken: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const shape = x.shape.map((d, i) => {
    if (i === axis) return random.between(1, 4)
    return random.chance(0.2) ? random.between(1, d) : d
  })
  if (sizeOf(shape) > pool.largest) return undefined
  const at = random.chance(0.5) ? [...x.shape] : shape
  return gatherElements(x, indicesLike(pool, at, x.shape[axis]!, random), axis)
}

const elementsAdded: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const size = random.between(1, 4)
  if ((sizeOf(x.shape) / x.shape[axis]!) * size > pool.largest) return undefined
  return scatterElementsAdd(x, indicesLike(pool, x.shape, size, random), axis, size)
}

const reversed: Apply = (pool, random) => {
  const x = pick(pool.first, random, (t) => t.shape.some((d) => d > 1))
  if (x === undefined) return undefined
  if (random.chance(0.3)) return flip(x)
  const axis = random.pick(x.shape.flatMap((d, i) => (d > 1 ? [i] : [])))
  if (random.chance(0.5)) return flip(x, [axis])
  return slice(x, axis, random.integer(x.shape[axis]!), undefined, -random.between(1, 2))
}

const coordinatesTaken: Apply = (pool, random) => {
  const x = pick(pool.first, random, hasElements)
  if (x === undefined) return undefined
  const batch = random.integer(x.shape.length)
  const depth = random.between(1, x.shape.length - batch)
  const places = [...x.shape.slice(0, batch), random.between(1, 3)]
  const columns = Array.from({ length: depth }, (_, i) => indices(places, x.shape[batch + i]!, random))
  const size = sizeOf(places) * sizeOf(x.shape.slice(batch + depth))
  return size <= pool.largest ? gatherND(x, stack(columns, places.length), batch) : undefined
}

const reductions: readonly ScatterReduction[] = ['none', 'add', 'mul', 'max', 'min']

/** Products of several factors grow, and those of others vanish. */
const tamed = (x: Tensor, reduction: ScatterReduction): Tensor => (reduction === 'mul' ? x.tanh() : x)

const elementsWritten: Apply = (pool, random) => {
  const x = pick(pool.exact, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const shape = x.shape.map((d, i) => (i === axis || random.chance(0.2) ? random.between(1, d) : d))
  if (sizeOf(x.shape) * shape[axis]! > pool.largest) return undefined
  const updates = fitted(pool, random, shape)
  const reduction = random.pick(reductions)
  if (updates === undefined) return undefined
  const at = indicesLike(pool, shape, x.shape[axis]!, random)
  return scatterElements(x, at, tamed(updates, reduction), axis, { reduction })
}

const coordinatesWritten: Apply = (pool, random) => {
  const x = pick(pool.exact, random, hasElements)
  if (x === undefined) return undefined
  const depth = random.between(1, x.shape.length)
  const count = random.between(1, 3)
  const columns = x.shape.slice(0, depth).map((d) => indices([count], d, random))
  const updates = fitted(pool, random, [count, ...x.shape.slice(depth)])
  const reduction = random.pick(reductions)
  if (updates === undefined || sizeOf(x.shape) * count > pool.largest) return undefined
  return scatterND(x, stack(columns, 1), tamed(updates, reduction), { reduction })
}

const positionsOfTop: Apply = (pool, random) => {
  const x = pick(pool.exact, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  const largest = random.chance(0.5)
  if (random.chance(0.3)) return cast(argsort(x, axis, { descending: largest }), 'float32')
  return cast(topIndices(x, random.between(1, x.shape[axis]!), axis, { largest }), 'float32')
}

/** Of exact numbers: others may be equal but for rounding. */
const sorted: Apply = (pool, random) => {
  const x = pick(pool.exact, random, hasElements)
  if (x === undefined) return undefined
  const axis = someAxis(x, random)
  if (random.chance(0.5)) return sort(x, axis, { descending: random.chance(0.5) })
  return topK(x, random.between(1, x.shape[axis]!), axis, { largest: random.chance(0.5) }).values
}

export const gathers: Readonly<Record<string, Operation>> = {
  gather: { apply: taken, exact: true },
  scatterAdd: { apply: added },
  gatherElements: { apply: elementsTaken, exact: true },
  scatterElementsAdd: { apply: elementsAdded },
  topIndices: { apply: positionsOfTop },
  flip: { apply: reversed, exact: true },
  gatherND: { apply: coordinatesTaken, exact: true },
  scatterElements: { apply: elementsWritten },
  scatterND: { apply: coordinatesWritten },
  sort: { apply: sorted, exact: true },
}
