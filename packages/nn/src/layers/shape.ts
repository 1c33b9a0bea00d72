/** @file Layers that only rearrange. */
import type { Module } from '@beyondgrad/autograd'
import { BeyondgradError, formatShape, reshape, ShapeError, sizeOf, type Tensor } from '@beyondgrad/tensor'
import { moduleOf } from '../module.ts'

/** Merges the axes from `start` (default 1) to `end` (default: the last): [N, C, H, W] → [N, C·H·W]. */
export function Flatten(start = 1, end = -1): Module {
  return moduleOf((x) => {
    const rank = x.shape.length
    const [from, to] = [start < 0 ? start + rank : start, end < 0 ? end + rank : end]
    if (from >= to) return x
    const sizes = x.shape.slice(from, to + 1)
    return reshape(x, [...x.shape.slice(0, from), sizeOf(sizes), ...x.shape.slice(to + 1)])
  })
}

/** Splits an axis into several: `Unflatten(1, [2, 3])` makes [N, 6] to [N, 2, 3]. */
export function Unflatten(axis: number, sizes: readonly number[]): Module {
  return moduleOf((x) => {
    const rank = x.shape.length
    const at = axis < 0 ? axis + rank : axis
    if (x.shape[at] !== sizeOf(sizes)) {
      throw new ShapeError(
        'Unflatten',
        `axis ${axis} of ${formatShape(x.shape)} does not fall into ${formatShape(sizes)}`,
      )
    }
    return reshape(x, [...x.shape.slice(0, at), ...sizes, ...x.shape.slice(at + 1)])
  })
}

/** x itself. */
export function Identity(): Module {
  return moduleOf((x: Tensor) => x)
}

/** x with its axes in another order, as `Tensor.permute` of PyTorch: `Permute([0, 2, 1])`. */
export function Permute(order: readonly number[]): Module {
  if (new Set(order).size !== order.length) {
    throw new BeyondgradError('value', `Permute: [${order.join(', ')}] names an axis twice`)
  }
  return moduleOf((x) => x.transpose(order))
}
