/**
 * @file Differentially private gradients: every sample's gradient is clipped to a norm, over all parameters together, and
 * noise in proportion to that norm is added to the sum (Abadi et al., "Deep learning with differential privacy", CCS 2016,
 * Algorithm 1). Two passes over factored contributions: norms, then a weighted sum; no sample's gradient ever exists.
 */
import {
  defineExtension,
  definePlugin,
  type Extension,
  gradientFlow,
  type Parameter,
  type ParameterMap,
  type Plugin,
} from '@beyondgrad/autograd'
import { BatchL2 } from '@beyondgrad/backpack'
import {
  BeyondgradError,
  cast,
  greater,
  minimum,
  random,
  reshape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'

export interface PrivateGradientOptions {
  /** C: the gradient of every sample's own loss – without the 1/N of a mean – is scaled down to this norm. Default: 1. */
  readonly clip?: number
  /** σ: the noise has the standard deviation σ C for the sum over the batch. Default: 1. */
  readonly noise?: number
  /** Noise is a function of seed and step. Default: 0. */
  readonly seed?: number
}

export interface PrivateGradient {
  /** In the scale of the loss: under "mean", 1/N times the clipped, noisy sum. */
  readonly gradient: ParameterMap<Tensor>
  /** Norms of the samples' own gradients before clipping: [N]. */
  readonly norms: Tensor
  /** The share of samples that were clipped: a scalar. */
  readonly clipped: Tensor
}

/** Clipped and noisy gradients for an optimiser. How private that is over many steps is for an accountant to say. */
export function PrivateGradient(options: PrivateGradientOptions = {}): Extension<PrivateGradient> {
  const { clip = 1, noise = 1, seed = 0 } = options
  if (!(clip > 0) || !(noise >= 0)) {
    throw new BeyondgradError(
      'value',
      `PrivateGradient: clip ${clip} must be positive, noise ${noise} not negative`,
    )
  }
  return defineExtension(
    {
      name: 'private-gradient',
      options: { clip, noise, seed },
      flow: gradientFlow,
      needs: { squares: BatchL2() },
      parameter: ({ contribution, parameter, needs, context }) => {
        const norms = normsOf(needs.squares, context.lossScale)
        // A sample without a gradient has norm 0, and keeps it.
        const weights = minimum(norms.add(1e-12).pow(-1).mul(clip), 1)
        const added = noiseOf(parameter, seed)
          .mul(context.lossScale)
          .mul(noise * clip)
        return contribution.weightedSum(weights).add(added)
      },
    },
    ({ byParameter, needs, context }) => {
      const norms = normsOf(needs.squares, context.lossScale)
      return { gradient: byParameter, norms, clipped: cast(greater(norms, clip), 'float32').mean() }
    },
  )
}

/** Norms over all parameters of the gradients of the samples' own losses: [N]. */
function normsOf(squares: ParameterMap<Tensor>, scale: Tensor): Tensor {
  const total = [...squares].map(([, each]) => each).reduce((a, b) => a.add(b))
  return total.sqrt().div(scale)
}

/** Standard normal numbers of a parameter's shape. */
function noiseOf({ name, shape }: Parameter, seed: number): Tensor {
  const stream = `private-gradient ${name}`
  return reshape(random([1, 1, sizeOf(shape)], { distribution: 'normal', seed, stream }), shape)
}

/** What the command line loads with `--plugin beyondgrad-differential-privacy`. */
const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-differential-privacy',
  quantities: { 'private-gradient': () => PrivateGradient() },
})
export default plugin
