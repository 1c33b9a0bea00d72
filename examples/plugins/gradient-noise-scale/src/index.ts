/**
 * @file The gradient noise scale: how large a batch must be before its gradient is more signal than noise (McCandlish, Kaplan,
 * Amodei, "An empirical model of large-batch training", 2018, Section 2.2). Unbiased estimates from one batch.
 */
import {
  defineExtension,
  definePlugin,
  type Extension,
  gradientFlow,
  type ParameterMap,
  type Plugin,
} from '@beyondgrad/autograd'
import { BatchL2, Gradient } from '@beyondgrad/backpack'
import { BeyondgradError, type NDArray, type Tensor } from '@beyondgrad/tensor'

/** Scalars about the gradients of the samples' own losses, without the 1/N of a mean. */
export interface NoiseEstimate {
  /** tr Σ: the sum of the variances of a sample's gradient. */
  readonly noise: Tensor
  /** |G|² of the true gradient. Where noise prevails the estimate may be negative: it is right on average. */
  readonly signal: Tensor
}

export interface GradientNoiseScale extends NoiseEstimate {
  /** tr Σ / |G|², in samples. */
  readonly scale: Tensor
  /** The same two numbers for each parameter; `noise.div(signal)` is its own noise scale. */
  readonly byParameter: ParameterMap<NoiseEstimate>
}

/** The simple noise scale over all parameters. A batch needs two samples; one of them can't be told from the mean. */
export function GradientNoiseScale(): Extension<GradientNoiseScale> {
  return defineExtension(
    {
      name: 'gradient-noise-scale',
      options: {},
      flow: gradientFlow,
      needs: { gradient: Gradient(), squares: BatchL2() },
      parameter: ({ parameter, needs, context: { batchSize: n, lossScale } }): NoiseEstimate => {
        if (n < 2) {
          throw new BeyondgradError(
            'value',
            `GradientNoiseScale: ${n} sample has no variance; use a batch of two or more`,
          )
        }
        const own = lossScale.square()
        const batch = needs.gradient
          .get(parameter)
          .square()
          .sum()
          .div(own.mul(n * n))
        const each = needs.squares.get(parameter).mean().div(own)
        // E[each] = |G|² + tr Σ and E[batch] = |G|² + tr Σ / N, solved for the two.
        const noise = each.sub(batch).mul(n / (n - 1))
        return { noise, signal: batch.sub(noise.div(n)) }
      },
    },
    ({ byParameter }) => {
      const all = [...byParameter].map(([, each]) => each)
      const noise = all.map((each) => each.noise).reduce((a, b) => a.add(b))
      const signal = all.map((each) => each.signal).reduce((a, b) => a.add(b))
      return { noise, signal, scale: noise.div(signal), byParameter }
    },
  )
}

/**
 * Smooths over steps: the ratio of running means, since the mean of ratios is biased (Appendix A.1).
 *
 * @param decay what is kept of the past at every step, at least 0 and below 1
 * @returns a function from a step's evaluated estimate to the smoothed noise scale
 */
export function smoothed(
  decay: number,
): (step: { readonly noise: NDArray; readonly signal: NDArray }) => number {
  if (!(decay >= 0 && decay < 1)) {
    throw new BeyondgradError('value', `smoothed: decay ${decay} must be at least 0 and below 1`)
  }
  let [noise, signal] = [0, 0]
  return (step) => {
    noise = decay * noise + (1 - decay) * step.noise.data[0]!
    signal = decay * signal + (1 - decay) * step.signal.data[0]!
    return noise / signal
  }
}

/** What the command line loads with `--plugin beyondgrad-gradient-noise-scale`. */
const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-gradient-noise-scale',
  quantities: { 'gradient-noise-scale': GradientNoiseScale },
})
export default plugin
