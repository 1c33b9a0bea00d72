/** @file What people watch anyway: loss, accuracies and the learning rate. */
import { told } from '../axis-scale.ts'
import { gauge, type GaugeContext, type GaugeOf, toneOf, whole } from '../gauge.ts'
import { isKnown, learningRates, missing, type NamedRun, noted, quantity } from '../series.ts'
import { stepAxis, timePanel, type TimeSeries } from '../time-panel.ts'

export const learningRateGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'hyper-parameters',
      title: 'Learning rate',
      description: 'The learning rate of each step.',
    },
    context,
    ({ run }) => (isKnown(learningRates(run)) ? [] : ['the learning rate is not logged']),
    (having) =>
      whole(
        timePanel({
          title: 'Learning rate',
          x: stepAxis(context.steps),
          y: { label: 'learning rate', scale: 'linear' },
          series: having.map((run): TimeSeries => {
            const numbers = learningRates(run.run)
            const tone = toneOf(context, run)
            const rate = numbers.values.at(-1)
            const last = `last ${rate === undefined ? 'not finite' : told(rate)}`
            return {
              name: tone === undefined ? last : `${run.name}: ${last}`,
              numbers,
              tone: tone ?? 'orange',
              as: 'line',
            }
          }),
        }),
      ),
  )

const kinds = [
  { name: 'train', pattern: /train/i, tone: 'blue' },
  { name: 'valid', pattern: /val/i, tone: 'orange' },
  { name: 'test', pattern: /test/i, tone: 'green' },
] as const

export const performanceGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'performance',
      title: 'Loss and accuracy',
      description:
        'Loss of the mini-batch with its moving average, and what was noted of losses and accuracies.',
    },
    context,
    (run) =>
      isKnown(quantity(run.run, 'Loss')) || notesOf(context, run).length > 0 ? [] : [missing(run, 'Loss')],
    (having) => {
      const notes = having.flatMap((run) => notesOf(context, run))
      const second = notes.some((one) => one.second)
      return whole(
        timePanel({
          title: second ? 'Loss and accuracy' : 'Loss',
          x: stepAxis(context.steps),
          y: { label: 'loss', scale: 'linear' },
          ...(second && { second: { label: 'accuracy', scale: 'linear', range: [0, 1] } as const }),
          series: [
            ...having.map((run): TimeSeries => {
              const tone = toneOf(context, run)
              return {
                name: tone === undefined ? 'batch loss' : run.name,
                numbers: quantity(run.run, 'Loss'),
                ...(tone !== undefined && { tone }),
              }
            }),
            ...notes,
          ],
        }),
      )
    },
  )

/** Losses and accuracies that were noted; of several runs, accuracies alone, and those not of training. */
function notesOf(context: GaugeContext, run: NamedRun): TimeSeries[] {
  const tone = toneOf(context, run)
  return kinds.flatMap(({ name, pattern, tone: own }) => {
    if (tone !== undefined && name === 'train') return []
    const of = (what: RegExp): TimeSeries[] =>
      [...noted(run.run, what)]
        .filter(([key, numbers]) => pattern.test(key) && isKnown(numbers))
        .map(([, numbers]) => {
          const isAccuracy = what === accuracy
          const last = numbers.values.at(-1)
          const value =
            last === undefined
              ? 'not finite'
              : isAccuracy
                ? `${(100 * last).toFixed(1)} %`
                : last.toPrecision(3)
          const which = `${name} ${isAccuracy ? 'accuracy' : 'loss'}`
          return {
            name: `${tone === undefined ? '' : `${run.name}: `}${which} ${value}`,
            numbers,
            tone: tone ?? own,
            as: isAccuracy ? ('line' as const) : ('dashed' as const),
            second: isAccuracy,
          }
        })
    return [...(tone === undefined ? of(loss) : []), ...of(accuracy)]
  })
}

const accuracy = /acc/i
const loss = /loss/i
