/** @file The noise of the gradient against its size, and what follows: a batch size, when to stop, how well it will generalise. */
import type { Contribution, ParameterMap } from '@beyondgrad/autograd'
import { add, div, type Tensor } from '@beyondgrad/tensor'
import { absent, defineInstrument, type Instrument } from '../instrument.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { added, Contributions } from './samples.ts'

/** Added to variances, so that entries without any don't decide alone. */
const eps = 1e-5

/** (1/N) Σ (gₙ − ḡ)² of every entry: the scale of a mean is in each sample once. */
const varianceOf = (of: Contribution): Tensor => of.centredSumOfSquares().mul(of.samples)

/** The mean over all entries of f(ḡ, variance). */
function meanOver(of: ParameterMap<Contribution>, f: (mean: Tensor, variance: Tensor) => Tensor): Tensor {
  const terms = of.map((each) => f(each.sum(), varianceOf(each)))
  const entries = [...terms].reduce((total, [, { shape }]) => total + shape.reduce((a, b) => a * b, 1), 0)
  return added(terms.map((term) => term.sum())).mul(1 / entries)
}

/**
 * The batch size at which noise and learning rate fit: rate · Σⱼ Varⱼ / L. Derived for plain gradient descent; of other optimisers it
 * sees the rate alone.
 *
 * Source: Balles, Romero and Hennig, "Coupling adaptive batch sizes with learning rates", UAI 2017.
 */
export function CABS(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'CABS',
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    measure: ({ results }) => ({ noise: added(results.contributions.map((each) => varianceOf(each).sum())) }),
    log: ({ measured, loss, learningRate }) =>
      loss === 0 ? absent('the loss is zero') : (learningRate * measured.noise.data[0]!) / loss,
  })
}

/**
 * Evidence that nothing is left to learn: 1 − N meanⱼ(ḡⱼ² / Varⱼ), with the variance of divisor N − 1. Above 0 the gradient looks like
 * noise. At most 1; a few entries with almost no variance can drive it far down.
 *
 * Source: Mahsereci, Balles, Lassner and Hennig, "Early stopping without a validation set", 2017.
 */
export function EarlyStopping(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'EarlyStopping',
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    measure: ({ results, batchSize: n }) =>
      n === 1
        ? {}
        : {
            ratio: meanOver(results.contributions, (mean, variance) =>
              div(mean.square(), add(variance.mul(n / (n - 1)), eps)),
            ),
          },
    log: ({ measured, batchSize }) =>
      measured.ratio === undefined ? absent('batch size 1') : 1 - batchSize * measured.ratio.data[0]!,
  })
}

/**
 * Mean over the entries of the gradient's signal-to-noise ratio ḡⱼ² / Varⱼ. High early in training goes with good generalisation.
 *
 * Source: Liu, Bai, Jiang, Chen and Wang, "Understanding why neural networks generalize well through GSNR of parameters", ICLR 2020.
 */
export function MeanGSNR(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'MeanGSNR',
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    measure: ({ results }) => ({
      ratio: meanOver(results.contributions, (mean, variance) => div(mean.square(), add(variance, eps))),
    }),
    log: ({ measured, batchSize }) => (batchSize === 1 ? absent('batch size 1') : measured.ratio.data[0]!),
  })
}
