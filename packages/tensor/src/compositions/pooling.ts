/** @file Pools made of others: over everything, to a given size, of powers. */
import { ShapeError } from '../errors.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { abs, mul, pow } from '../ops/elementwise.ts'
import { concat, slice } from '../ops/movement.ts'
import { avgPool, maxPool, type PoolOptions, poolWindow } from '../ops/pool.ts'
import { max, mean } from '../ops/reduce.ts'
import { checkShape, formatShape, sizeOf } from '../shape.ts'

function spatialAxes(op: string, x: Tensor): number[] {
  demandTensors(op, x)
  const { shape } = x
  if (shape.length < 3) throw new ShapeError(op, `expects [N, C, ...spatial], got ${formatShape(shape)}`)
  return shape.map((_, axis) => axis).slice(2)
}

/** Mean over all spatial axes, which stay with size 1: [N, C, ...spatial] → [N, C, 1, …]. */
export function globalAvgPool(x: Tensor): Tensor {
  return mean(x, spatialAxes('globalAvgPool', x), { keep: true })
}

/** Maximum over all spatial axes, which stay with size 1. */
export function globalMaxPool(x: Tensor): Tensor {
  return max(x, spatialAxes('globalMaxPool', x), { keep: true })
}

/**
 * Averages to a given spatial size, as PyTorch: position i of n covers the elements from ⌊i · size / n⌋ to
 * ⌈(i + 1) · size / n⌉.
 */
export function adaptiveAvgPool(x: Tensor, size: number | readonly number[]): Tensor {
  return adaptive('adaptiveAvgPool', x, size, avgPool, mean)
}

/** Maxima to a given spatial size; windows as in `adaptiveAvgPool`. */
export function adaptiveMaxPool(x: Tensor, size: number | readonly number[]): Tensor {
  return adaptive('adaptiveMaxPool', x, size, maxPool, max)
}

function adaptive(
  op: string,
  x: Tensor,
  size: number | readonly number[],
  pool: (x: Tensor, kernel: readonly number[]) => Tensor,
  reduce: (x: Tensor, axes: readonly number[], options: { readonly keep: boolean }) => Tensor,
): Tensor {
  const axes = spatialAxes(op, x)
  const sizes = typeof size === 'number' ? axes.map(() => size) : size
  checkShape(op, sizes)
  if (sizes.length !== axes.length || sizes.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new ShapeError(
      op,
      `size [${sizes.join(', ')}] must be ${axes.length} positive integers for an input of ${formatShape(x.shape)}`,
    )
  }
  const from = x.shape.slice(2)
  // Windows of one size that don't overlap are an ordinary pool.
  if (from.every((d, i) => d % sizes[i]! === 0 && d > 0)) {
    return pool(
      x,
      from.map((d, i) => d / sizes[i]!),
    )
  }
  return axes.reduce((y, axis, i) => {
    const [length, count] = [y.shape[axis]!, sizes[i]!]
    if (length === count) return y
    const parts = Array.from({ length: count }, (_, p) => {
      const [start, end] = [Math.floor((p * length) / count), Math.ceil(((p + 1) * length) / count)]
      return reduce(slice(y, axis, start, end), [axis], { keep: true })
    })
    return concat(parts, axis)
  }, x)
}

/** (Σ |x|ᵖ)^(1/p) of each window; padding counts as zeros. */
export function lpPool(x: Tensor, p: number, kernel: readonly number[], options: PoolOptions = {}): Tensor {
  demandTensors('lpPool', x)
  if (!(p > 0)) throw new ShapeError('lpPool', `the power p must be positive, not ${p}`)
  const window = poolWindow('lpPool', x, kernel, options)
  const padding = window.before.map((before, i) => [before, window.after[i]!] as const)
  const means = avgPool(pow(abs(x), p), kernel, { ...window, padding })
  return pow(mul(means, sizeOf(kernel)), 1 / p)
}
