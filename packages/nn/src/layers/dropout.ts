/**
 * @file Dropout. The mask is a tensor of its own, drawn for seed, step and sample: derivatives see the same mask as the
 * values, and an activation that happens to be 0 is not taken for a dropped one.
 */
import type { Module } from '@beyondgrad/autograd'
import {
  cast,
  formatShape,
  greaterEqual,
  mul,
  random,
  reshape,
  ShapeError,
  type Tensor,
} from '@beyondgrad/tensor'
import { nextSeed } from '../initialization.ts'
import { layerOf } from '../module.ts'
import type { TrainingPass } from '../training-pass.ts'
import { demandProbability } from './sizes.ts'

export interface DropoutOptions {
  /** Determines the masks, together with the step. Default: counts up with every layer. */
  readonly seed?: number
}

/** In training, zeros each element with probability p (default 0.5) and divides the others by 1 − p. */
export function Dropout(p = 0.5, options: DropoutOptions = {}): Module {
  return dropped('Dropout', p, options, (x) => x.shape)
}

/** In training, zeros whole channels of [N, C, L]. */
export function Dropout1d(p = 0.5, options: DropoutOptions = {}): Module {
  return dropped('Dropout1d', p, options, (x) => channelsOf('Dropout1d', x, 3))
}

/** In training, zeros whole channels of [N, C, H, W]. */
export function Dropout2d(p = 0.5, options: DropoutOptions = {}): Module {
  return dropped('Dropout2d', p, options, (x) => channelsOf('Dropout2d', x, 4))
}

/** In training, zeros whole channels of [N, C, D, H, W]. */
export function Dropout3d(p = 0.5, options: DropoutOptions = {}): Module {
  return dropped('Dropout3d', p, options, (x) => channelsOf('Dropout3d', x, 5))
}

function channelsOf(layer: string, x: Tensor, rank: number): readonly number[] {
  if (x.shape.length !== rank) {
    throw new ShapeError(layer, `expects an input with ${rank} axes, got ${formatShape(x.shape)}`)
  }
  return x.shape.map((size, axis) => (axis < 2 ? size : 1))
}

function dropped(
  layer: string,
  p: number,
  { seed = nextSeed() }: DropoutOptions,
  maskShape: (x: Tensor) => readonly number[],
): Module {
  demandProbability(layer, 'p', p)
  const identity = {}
  return layerOf({
    forward: (x: Tensor) => x,
    inTraining: (pass) => (x: Tensor) => dropWith(pass, x, { p, seed, key: identity, shape: maskShape(x) }),
  })
}

/** What a mask is drawn from. */
export interface Drop {
  readonly p: number
  readonly seed: number
  /** The layer: every use of it in a pass has a mask of its own. */
  readonly key: object
  /** Of the mask, which broadcasts with x; axis 0 counts the samples. Default: that of x. */
  readonly shape?: readonly number[]
}

/** x with elements dropped as the layer does it in this pass. */
export function dropWith(pass: TrainingPass, x: Tensor, { p, seed, key, shape = x.shape }: Drop): Tensor {
  const use = pass.uses(key)
  if (p === 0) return x
  if (p === 1) return mul(x, 0)
  if (shape.length === 0) throw new ShapeError('Dropout', 'a scalar has no axis that counts the samples')
  const numbers = random([1, shape[0]!, ...shape.slice(1)], {
    distribution: 'uniform',
    seed,
    stream: `dropout ${use}`,
  })
  // In the layout of the samples, so that each sample's mask does not depend on the batch that it is in.
  return mul(x, mul(cast(greaterEqual(reshape(numbers, shape), p), 'float32'), 1 / (1 - p)))
}
