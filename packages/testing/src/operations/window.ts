/** @file Convolutions, unfolding and pools, over one to three spatial axes, with padding on either side its own. */
import {
  avgPool,
  avgPoolVjp,
  conv,
  type Convolution,
  convInput,
  convWeight,
  fold,
  maxPool,
  maxPoolJvp,
  maxPoolVjp,
  type Shape,
  sizeOf,
  type Tensor,
  unfold,
  type Window,
  windowPositions,
} from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'
import { type Apply, fitted, isFilled, type Operation, pick, type Pool } from './operation.ts'

interface Place {
  readonly x: Tensor
  readonly window: Window
  readonly spatial: Shape
  readonly positions: Shape
}

const options = ({ stride, before, after, dilation }: Window) => ({
  stride,
  dilation,
  padding: before.map((b, i) => [b, after[i]!] as const),
})

/**
 * A plane and a window that fits on it.
 *
 * @param largest elements that the result may have
 * @param pools whether the padding must be smaller than the window's reach
 */
function place(from: readonly Tensor[], largest: number, random: Numbers, pools: boolean): Place | undefined {
  const x = pick(from, random, (t) => t.shape.length >= 3 && t.shape.length <= 5 && isFilled(t))
  if (x === undefined) return undefined
  const spatial = x.shape.slice(2)
  const axes = spatial.map((size) => axisOf(size, random, pools))
  const window: Window = {
    kernel: axes.map((a) => a.kernel),
    stride: axes.map((a) => a.stride),
    before: axes.map((a) => a.before),
    after: axes.map((a) => a.after),
    dilation: axes.map((a) => a.dilation),
  }
  const positions = windowPositions('random window', spatial, window)
  return sizeOf(positions) * x.shape[0]! * x.shape[1]! <= largest
    ? { x, window, spatial, positions }
    : undefined
}

interface Axis {
  readonly kernel: number
  readonly dilation: number
  readonly stride: number
  readonly before: number
  readonly after: number
}

/** One axis of the window, over `size` elements. */
function axisOf(size: number, random: Numbers, pools: boolean): Axis {
  const [kernel, dilation] = [random.between(1, 3), random.chance(0.7) ? 1 : 2]
  const reach = dilation * (kernel - 1) + 1
  const some = (): number => (random.chance(0.5) ? 0 : random.between(1, pools ? reach - 1 : 2))
  let [before, after] = [some(), some()]
  if (pools && reach === 1) [before, after] = [0, 0]
  const stride = random.between(1, 2)
  const axis = { kernel, dilation, stride, before, after }
  // A plane that is too small is met by a smaller window, and so is a pool that would look at padding only.
  if (size + before + after < reach || (pools && looksAside(size, axis)))
    return { kernel: 1, dilation: 1, stride: 1, before: 0, after: 0 }
  return axis
}

/** Whether some position of the window sees nothing but padding. */
function looksAside(size: number, { kernel, dilation, stride, before, after }: Axis): boolean {
  const last = size + before + after - dilation * (kernel - 1) - 1
  for (let start = 0; start <= last; start += stride) {
    const seen = Array.from({ length: kernel }, (_, e) => start + e * dilation - before)
    if (!seen.some((at) => at >= 0 && at < size)) return true
  }
  return false
}

const divisors = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)

interface Weighted extends Place {
  readonly geometry: Convolution
  readonly weight: Shape
  readonly output: Shape
}

/** A convolution that fits on some plane, with groups. */
function convolution(pool: Pool, random: Numbers): Weighted | undefined {
  const at = place(pool.first, pool.largest, random, false)
  if (at === undefined) return undefined
  const [samples, channels] = at.x.shape as [number, number]
  const groups = random.chance(0.5) ? 1 : random.pick(divisors(channels))
  const out = groups * random.between(1, 2)
  const output = [samples, out, ...at.positions]
  if (sizeOf(output) > pool.largest) return undefined
  return {
    ...at,
    geometry: { ...at.window, groups },
    weight: [out, channels / groups, ...at.window.kernel],
    output,
  }
}

const convolved: Apply = (pool, random) => {
  const at = convolution(pool, random)
  const w = at && fitted(pool, random, at.weight)
  return at && w && conv(at.x, w, { ...options(at.window), groups: at.geometry.groups })
}

const inputCotangent: Apply = (pool, random) => {
  const at = convolution(pool, random)
  const g = at && fitted({ ...pool, weights: pool.tensors }, random, at.output)
  const w = at && fitted(pool, random, at.weight)
  return at && g && w && convInput(g, w, at.geometry, at.spatial)
}

const weightCotangent: Apply = (pool, random) => {
  const at = convolution(pool, random)
  const g = at && fitted({ ...pool, weights: pool.tensors }, random, at.output)
  return at && g && convWeight(at.x, g, at.geometry)
}

const unfolded: Apply = (pool, random) => {
  const at = place(pool.first, pool.largest, random, false)
  if (at === undefined) return undefined
  const size = sizeOf(at.x.shape.slice(0, 2)) * sizeOf(at.window.kernel) * sizeOf(at.positions)
  return size <= pool.largest ? unfold(at.x, at.window) : undefined
}

const folded: Apply = (pool, random) => {
  const at = place(pool.first, pool.largest, random, false)
  if (at === undefined) return undefined
  const [samples, channels] = at.x.shape as [number, number]
  const shape = [samples, channels * sizeOf(at.window.kernel), sizeOf(at.positions)]
  const y = fitted({ ...pool, weights: pool.tensors }, random, shape)
  return y && fold(y, at.window, at.spatial)
}

const greatest: Apply = (pool, random) => {
  const at = place(pool.first, pool.largest, random, true)
  return at && maxPool(at.x, at.window.kernel, options(at.window))
}

/** Jumps where another maximum takes over: the plane is exact. */
const selection =
  (
    apply: (at: Place, lead: number[], other: (shape: Shape) => Tensor | undefined) => Tensor | undefined,
  ): Apply =>
  (pool, random) => {
    const at = place(pool.exact, pool.largest, random, true)
    const lead = random.chance(0.4) ? [random.between(1, 2)] : []
    return at && apply(at, lead, (shape) => fitted({ ...pool, weights: pool.tensors }, random, shape))
  }

const average: Apply = (pool, random) => {
  const at = place(pool.first, pool.largest, random, true)
  return at && avgPool(at.x, at.window.kernel, { ...options(at.window), countPadding: random.chance(0.5) })
}

const averageCotangent: Apply = (pool, random) => {
  const at = place(pool.first, pool.largest, random, true)
  const g =
    at && fitted({ ...pool, weights: pool.tensors }, random, [...at.x.shape.slice(0, 2), ...at.positions])
  return at && g && avgPoolVjp(g, { ...at.window, countPadding: random.chance(0.5) }, at.spatial)
}

export const windows: Readonly<Record<string, Operation>> = {
  conv: { apply: convolved },
  convInput: { apply: inputCotangent },
  convWeight: { apply: weightCotangent },
  unfold: { apply: unfolded, exact: true },
  fold: { apply: folded },
  maxPool: { apply: greatest, exact: true },
  maxPoolVjp: {
    apply: selection((at, lead, other) => {
      const g = other([...lead, ...at.x.shape.slice(0, 2), ...at.positions])
      return g && maxPoolVjp(at.x, g, at.window)
    }),
  },
  maxPoolJvp: {
    apply: selection((at, lead, other) => {
      const t = other([...lead, ...at.x.shape])
      return t && maxPoolJvp(at.x, t, at.window)
    }),
  },
  avgPool: { apply: average },
  avgPoolVjp: { apply: averageCotangent },
}
