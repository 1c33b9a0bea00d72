/**
 * @file Batch normalisation (Ioffe & Szegedy 2015). In evaluation it is a fixed affine map, and everything works sample by
 * sample. In training samples meet in the statistics: there is a gradient, and quantities of single samples are refused.
 */
import { buffer, type Module } from '@beyondgrad/autograd'
import { add, cast, reciprocal, ShapeError, sizeOf, sqrt, type Tensor } from '@beyondgrad/tensor'
import { layerOf } from '../module.ts'
import type { TrainingPass } from '../training-pass.ts'
import { affineOf, byChannel, demandChannels, scaleAndShift, standardized } from './normalization.ts'
import { demandPositive } from './sizes.ts'

export interface BatchNormOptions {
  /** Added to the variance. Default: 10⁻⁵. */
  readonly eps?: number
  /** Share of the new batch in the running statistics; null: the mean over all batches. Default: 0.1. */
  readonly momentum?: number | null
  /** Whether there are parameters, weight and bias. Default: true. */
  readonly affine?: boolean
  /** Whether there are running statistics; without them evaluation uses the batch's, too. Default: true. */
  readonly trackRunningStats?: boolean
}

/**
 * Over [N, channels] or [N, channels, L]. Parameters: weight, bias [channels]; buffers: running_mean, running_var [channels],
 * num_batches_tracked.
 */
export function BatchNorm1d(channels: number, options: BatchNormOptions = {}): Module {
  return batchNorm('BatchNorm1d', channels, [2, 3], options)
}

/** Over [N, channels, H, W]; parameters and buffers as in `BatchNorm1d`. */
export function BatchNorm2d(channels: number, options: BatchNormOptions = {}): Module {
  return batchNorm('BatchNorm2d', channels, [4], options)
}

/** Over [N, channels, D, H, W]; parameters and buffers as in `BatchNorm1d`. */
export function BatchNorm3d(channels: number, options: BatchNormOptions = {}): Module {
  return batchNorm('BatchNorm3d', channels, [5], options)
}

function batchNorm(
  layer: string,
  channels: number,
  ranks: readonly number[],
  options: BatchNormOptions,
): Module {
  const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options
  demandPositive(layer, { channels })
  const parameters = scaleAndShift([channels], affine)
  const zeros = new Float32Array(channels)
  const mean = buffer('running_mean', { shape: [channels], dtype: 'float32', data: zeros })
  const variance = buffer('running_var', { shape: [channels], dtype: 'float32', data: zeros.slice().fill(1) })
  const count = buffer('num_batches_tracked', { shape: [], dtype: 'int64', data: BigInt64Array.of(0n) })

  const ofBatch = (x: Tensor): Tensor => {
    demandChannels(layer, x, channels, ranks)
    return affineOf(standardized(x, overBatch(x), eps), parameters, byChannel(x))
  }
  const ofRunning = (x: Tensor): Tensor => {
    demandChannels(layer, x, channels, ranks)
    const as = byChannel(x)
    const deviation = sqrt((variance.value as Tensor).add(eps))
    return affineOf(x.sub(as(mean.value as Tensor)).div(as(deviation)), parameters, as)
  }
  const track = (pass: TrainingPass, x: Tensor): void => {
    const axes = overBatch(x)
    const elements = sizeOf(axes.map((axis) => x.shape[axis]!))
    const batchMean = x.mean(axes)
    const centred = x.sub(x.mean(axes, { keep: true }))
    // Unbiased, unlike the one that normalises.
    const batchVariance = centred
      .square()
      .sum(axes)
      .mul(1 / (elements - 1))
    const batches = add<'int64'>(pass.read(count) as Tensor<'int64'>, 1)
    const share = momentum ?? reciprocal(cast(batches, 'float32'))
    const follow = (old: Tensor, now: Tensor): Tensor => old.add(now.sub(old).mul(share))
    pass.write(count, batches)
    pass.write(mean, follow(pass.read(mean) as Tensor, batchMean))
    pass.write(variance, follow(pass.read(variance) as Tensor, batchVariance))
  }
  return layerOf({
    forward: trackRunningStats ? ofRunning : ofBatch,
    inTraining: (pass) => (x: Tensor) => {
      demandChannels(layer, x, channels, ranks)
      if (sizeOf(x.shape) <= channels) {
        throw new ShapeError(
          layer,
          `training needs more than one element a channel, got [${x.shape.join(', ')}]; use a larger batch, or inEvaluation()`,
        )
      }
      if (trackRunningStats) track(pass, x)
      return ofBatch(x)
    },
    parameters: parameters.list,
    buffers: trackRunningStats ? [mean, variance, count] : [],
  })
}

/** All axes but that of the channels. */
const overBatch = (x: Tensor): number[] => x.shape.map((_, axis) => axis).filter((axis) => axis !== 1)
