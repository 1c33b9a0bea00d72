/** @file How far training has come, how far a step goes, and how long the gradient is. */
import { gauge, type GaugeOf, lacking, quantityGauge, seriesOfRuns, stacked, whole } from '../gauge.ts'
import { quantity } from '../series.ts'
import { stepAxis, timePanel } from '../time-panel.ts'

/** Needs one of the two; with several runs each has a panel. */
export const distanceGauge: GaugeOf = (context) => {
  const text = {
    name: 'distance',
    title: 'Distance and update size',
    description: 'How far the parameters are from where they began, and how far a single step moves them.',
  }
  const both = lacking('Distance', 'UpdateSize')
  const x = stepAxis(context.steps)
  const [left, right] = [
    { label: 'distance', scale: 'linear' },
    { label: 'update size', scale: 'linear' },
  ] as const
  return gauge(
    text,
    context,
    (run) => (both(run).length === 2 ? both(run) : []),
    (having) => {
      const names = (['Distance', 'UpdateSize'] as const).filter((name) =>
        having.some((run) => lacking(name)(run).length === 0),
      )
      if (context.runs.length > 1) {
        return stacked(
          names.map((name) =>
            timePanel({
              title: name === 'Distance' ? 'Distance from the start' : 'Update size',
              x,
              y: name === 'Distance' ? left : right,
              series: seriesOfRuns(context, having, '', ({ run }) => quantity(run, name)),
            }),
          ),
        )
      }
      const { run } = having[0]!
      const series = names.map((name) => ({
        name: name === 'Distance' ? 'distance' : 'update size',
        numbers: quantity(run, name),
        tone: name === 'Distance' ? ('blue' as const) : ('orange' as const),
        second: name === 'UpdateSize' && names.length === 2,
      }))
      return whole(
        timePanel({
          title: text.title,
          x,
          y: names[0] === 'Distance' ? left : right,
          ...(names.length === 2 && { second: right }),
          series,
        }),
      )
    },
  )
}

export const gradientNormGauge: GaugeOf = (context) =>
  quantityGauge(
    {
      name: 'gradient-norm',
      title: 'Gradient norm',
      description: 'The norm of the gradient of the mini-batch, of all parameters together.',
    },
    context,
    { of: 'GradNorm', y: { label: 'norm', scale: 'linear' } },
  )
