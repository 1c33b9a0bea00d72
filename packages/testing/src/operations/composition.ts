/** @file Functions over primitives: one random application of each, so that engines meet the combinations that models have. */
import {
  adaptiveAvgPool,
  adaptiveMaxPool,
  avgPool,
  convTranspose,
  diagonal,
  einsum,
  gelu,
  globalAvgPool,
  logSumExp,
  lpPool,
  maxPool,
  norm,
  padWith,
  type PadMode,
  prod,
  repeatInterleave,
  resize,
  type ResizeCoordinates,
  type ResizeMode,
  roll,
  silu,
  sizeOf,
  softmax,
  softplus,
  split,
  tanh,
  type Tensor,
  tile,
  tril,
} from '@beyondgrad/tensor'
import type { Numbers } from '../random-numbers.ts'
import { type Apply, fitted, isFilled, type Operation, pick, type Pool } from './operation.ts'

const filled =
  (
    fits: (x: Tensor) => boolean,
    apply: (x: Tensor, random: Numbers, pool: Pool) => Tensor | undefined,
  ): Apply =>
  (pool, random) => {
    const x = pick(pool.first, random, (t) => isFilled(t) && fits(t))
    const result = x && apply(x, random, pool)
    return result && sizeOf(result.shape) <= pool.largest ? result : undefined
  }

const always = (): boolean => true
const hasAxes = ({ shape }: Tensor): boolean => shape.length > 0
const isMatrix = ({ shape }: Tensor): boolean => shape.length >= 2
const isPlane = ({ shape }: Tensor): boolean => shape.length >= 3 && shape.length <= 5

const someAxis = ({ shape }: Tensor, random: Numbers): number => random.integer(shape.length)

/** One or two names summed, the others in any order. */
const contracted = filled(hasAxes, (x, random, pool) => {
  const names = [...'abcdefgh'].slice(0, x.shape.length)
  const shared = names.filter(() => random.chance(0.5))
  const sizes = shared.map((name) => x.shape[names.indexOf(name)]!)
  const y = fitted(pool, random, [...sizes, 2])
  if (y === undefined) return undefined
  const kept = names.filter(() => random.chance(0.6))
  return einsum(`${names.join('')},${shared.join('')}z->z${kept.toReversed().join('')}`, x, y)
})

const transposedConvolution = filled(isPlane, (x, random, pool) => {
  const groups = x.shape[1]! % 2 === 0 && random.chance(0.5) ? 2 : 1
  const kernel = x.shape.slice(2).map(() => random.between(1, 2))
  const w = fitted(pool, random, [x.shape[1]!, random.between(1, 2), ...kernel])
  const stride = random.between(1, 2)
  return (
    w && convTranspose(x, w, { groups, stride, dilation: random.between(1, 2), outputPadding: stride - 1 })
  )
})

const padded = filled(hasAxes, (x, random) => {
  const mode = random.pick<PadMode>(['constant', 'reflect', 'symmetric', 'edge', 'circular'])
  const amounts = x.shape.map((size) => random.between(0, Math.min(1, mode === 'reflect' ? size - 1 : 1)))
  return padWith(
    x,
    amounts,
    amounts.toReversed().map((n, i) => Math.min(n, amounts[i]!)),
    mode,
  )
})

const resampled = filled(hasAxes, (x, random) => {
  const mode = random.pick<ResizeMode>(['nearest', 'linear', 'cubic'])
  const coordinates = random.pick<ResizeCoordinates>(['half-pixel', 'align-corners', 'asymmetric'])
  return resize(x, [random.between(1, 5)], { axes: [someAxis(x, random)], mode, coordinates })
})

const sizesFor = ({ shape }: Tensor, random: Numbers): number[] =>
  shape.slice(2).map(() => random.between(1, 4))

const ceiled = (random: Numbers): { readonly ceil: true; readonly stride: number } => ({
  ceil: true,
  stride: random.between(1, 3),
})

const windowFor = ({ shape }: Tensor, random: Numbers): number[] =>
  shape.slice(2).map((size) => random.between(1, Math.min(2, size)))

export const compositions: Readonly<Record<string, Operation>> = {
  einsum: { apply: contracted },
  convTranspose: { apply: transposedConvolution },
  padWith: { apply: padded, exact: true },
  resize: { apply: resampled },
  'adaptive pools': {
    apply: filled(isPlane, (x, random) =>
      (random.chance(0.5) ? adaptiveAvgPool : adaptiveMaxPool)(x, sizesFor(x, random)),
    ),
  },
  'pools in ceil mode': {
    apply: filled(isPlane, (x, random) => {
      const kernel = windowFor(x, random)
      if (random.chance(0.4)) return maxPool(x, kernel, ceiled(random))
      return random.chance(0.5)
        ? avgPool(x, kernel, ceiled(random))
        : lpPool(x.square().add(0.1), 2, kernel, ceiled(random))
    }),
  },
  globalAvgPool: { apply: filled(isPlane, globalAvgPool) },
  softmax: { apply: filled(hasAxes, (x, random) => softmax(x, someAxis(x, random))) },
  logSumExp: { apply: filled(hasAxes, (x, random) => logSumExp(x, [someAxis(x, random)])) },
  prod: { apply: filled(hasAxes, (x, random) => prod(tanh(x), [someAxis(x, random)])) },
  norm: { apply: filled(hasAxes, (x, random) => norm(x.square().add(0.1), [someAxis(x, random)])) },
  activations: {
    apply: filled(always, (x, random) => random.pick([gelu, silu, softplus] as const)(x)),
  },
  tile: { apply: filled(hasAxes, (x, random) => tile(x, [random.between(1, 2)])), exact: true },
  repeatInterleave: {
    apply: filled(hasAxes, (x, random) => repeatInterleave(x, 2, someAxis(x, random))),
    exact: true,
  },
  roll: {
    apply: filled(hasAxes, (x, random) => roll(x, random.between(-2, 2), someAxis(x, random))),
    exact: true,
  },
  split: {
    apply: filled(hasAxes, (x, random) => {
      const axis = someAxis(x, random)
      const first = random.between(0, x.shape[axis]!)
      return split(x, [first, x.shape[axis]! - first], axis)[random.integer(2)]
    }),
    exact: true,
  },
  diagonal: { apply: filled(isMatrix, (x, random) => diagonal(x, random.between(-1, 1))), exact: true },
  tril: { apply: filled(isMatrix, (x, random) => tril(x, random.between(-1, 1))), exact: true },
}
