/** @file The auxiliary gauges: the gradient's noise, and what follows for batch size and stopping. */
import { type GaugeOf, quantityGauge } from '../gauge.ts'

export const meanGsnrGauge: GaugeOf = (context) =>
  quantityGauge(
    {
      name: 'mean-gsnr',
      title: 'Mean signal-to-noise ratio',
      description:
        'Mean over all entries of the squared gradient over its variance. High early, it goes with good generalisation.',
    },
    context,
    { of: 'MeanGSNR', y: { label: 'mean GSNR', scale: 'linear' } },
  )

export const cabsGauge: GaugeOf = (context) =>
  quantityGauge(
    {
      name: 'cabs',
      title: 'Batch size by CABS',
      description: 'The batch size at which gradient noise and learning rate fit.',
    },
    context,
    { of: 'CABS', y: { label: 'batch size', unit: 'samples', scale: 'linear' } },
  )

export const earlyStoppingGauge: GaugeOf = (context) =>
  quantityGauge(
    {
      name: 'early-stopping',
      title: 'Evidence for stopping',
      description: 'Above 0 the gradient looks like noise, and nothing is left to learn.',
    },
    context,
    { of: 'EarlyStopping', y: { label: 'evidence', scale: 'linear' } },
  )
