/** @file The loss is no number any more, or far above where it began. */
import type { Observation } from '../rule.ts'
import { defineRule, type Rule } from '../rule.ts'
import { asFinite, asNorm, asNumber, asNumbers, type RunView, valueIn } from '../run-view.ts'
import { median } from '../statistics.ts'
import { listed, said } from '../wording.ts'

export const diverged: Rule = defineRule({
  name: 'diverged',
  says: 'The loss is not finite, or far above where it began; from which step on, and which instrument saw it first.',
  looksAt: ['Loss', 'GradNorm', 'UpdateSize'],
  thresholds: {
    /** Median of the last losses, as a multiple of the largest of the first. */
    above: 2,
    /** The largest loss as such a multiple, where the loss never came back below the first ones. */
    peak: 10,
    first: 10,
    last: 10,
  },
  because:
    'A batch of chance is below twice the largest of ten first losses; rates that are too large for a moment, as at the beginning of a run with momentum, stay below ten times as much and come back.',
  limits: 'Losses that may be negative are judged only by whether they are finite.',
  source: 'by definition',
  find: (run, thresholds) => lost(run) ?? risen(run, thresholds),
})

function lost(run: RunView): Observation | undefined {
  const steps = run.latestSteps()
  const at = steps.findIndex(({ quantities: { Loss } }) => typeof Loss === 'number' && !Number.isFinite(Loss))
  const found = at < 0 ? undefined : steps[at]!
  const first = firstGradient(run, at < 0 ? steps.length : at + 1)
  if (found === undefined && first === undefined) return undefined
  const step = Math.min(found?.step ?? Infinity, first?.step ?? Infinity)
  const isAtOnce = steps[0]!.step === step
  const loss =
    found === undefined
      ? ''
      : `the loss is ${said(found.quantities.Loss as number)} from step ${found.step} on`
  const gradient =
    first && `${first.quantity} was not finite at step ${first.step}${whichOf(run, first.parameters)}`
  const grown = isAtOnce ? undefined : growthBefore(run, step)
  const seen = [loss, gradient, grown?.text].filter(Boolean).join('; ')
  return {
    severity: 'error',
    seen,
    advice: isAtOnce
      ? 'it was so from the first step: look at the data, the initial parameters and the loss'
      : 'lower the learning rate, warm it up or clip the gradient, and look at the batch of this step',
    evidence: [
      ...(found === undefined
        ? []
        : [
            {
              quantity: 'Loss',
              of: 'first that is not finite',
              value: found.quantities.Loss as number,
              threshold: Infinity,
              values: 1,
            },
          ]),
      ...(first === undefined
        ? []
        : [
            {
              quantity: first.quantity,
              of: 'first that is not finite',
              value: first.value,
              threshold: Infinity,
              values: first.parameters.length,
            },
          ]),
    ],
    strength: Infinity,
    steps: [step, steps.at(-1)!.step],
    ...(first !== undefined && { parameters: first.parameters }),
    breaks: step,
  }
}

interface NotFinite {
  readonly quantity: string
  readonly step: number
  readonly value: number
  readonly parameters: readonly string[]
}

/** The first of the window up to a place whose gradient or update is not finite. */
function firstGradient(run: RunView, end: number): NotFinite | undefined {
  const steps = run.latestSteps().slice(Math.max(0, end - run.window), end)
  for (const line of steps) {
    for (const quantity of ['GradNorm', 'UpdateSize']) {
      const norms = valueIn(line, quantity, asNumbers)
      const bad = [...(norms ?? [])].filter(([, norm]) => !Number.isFinite(norm))
      if (bad.length > 0)
        return {
          quantity,
          step: line.step,
          value: bad[0]![1],
          parameters: bad.map(([parameter]) => parameter),
        }
    }
  }
  return undefined
}

const whichOf = (run: RunView, parameters: readonly string[]): string =>
  parameters.length === run.parameters.length ? ' in every parameter' : ` in ${listed(parameters)}`

/** Whether updates or gradients grew before a step, and how. */
function growthBefore(run: RunView, step: number): { readonly text: string } | undefined {
  const before = run.before(step)
  for (const [quantity, name] of [
    ['UpdateSize', 'updates'],
    ['GradNorm', 'gradients'],
  ] as const) {
    const { values } = before.latest(quantity, asNorm, 10)
    const growth = values.at(-1)! / values[0]!
    if (values.length >= 3 && growth > 10)
      return { text: `before it, ${name} grew ${said(growth)} times in ${values.length} steps` }
  }
  return undefined
}

function risen(
  run: RunView,
  { above, peak, first, last }: Readonly<Record<'above' | 'peak' | 'first' | 'last', number>>,
): Observation | undefined {
  const [early, late] = [run.earliest('Loss', asFinite, first), run.latest('Loss', asFinite, last)]
  if (late.values.length < last) return undefined
  // A run that broke within its first steps began where its first step was.
  const isShort = late.steps[0]! <= early.steps.at(-1)!
  const start = isShort ? early.values[0]! : Math.max(...early.values.slice(0, first))
  const now = median(late.values)
  if (!(start > 0)) return undefined
  const steps = run.latestSteps()
  const losses = steps.map((step) => valueIn(step, 'Loss', asNumber) ?? NaN)
  const firstFew = early.values[0]!
  const [largest, at] = losses.reduce((best, loss, i) => (loss > best[0] ? ([loss, i] as const) : best), [
    -Infinity,
    0,
  ] as readonly [number, number])
  const isAbove = now > above * start
  const hasPeaked = largest > peak * firstFew && now >= 0.9 * firstFew
  if (!isAbove && !hasPeaked) return undefined
  const since = losses.findIndex((loss) => loss > above * firstFew)
  const from = steps[since < 0 ? at : since]!.step
  const grown = growthBefore(run, from)
  return {
    severity: 'error',
    seen: [
      `the loss is ${said(now)} after ${said(firstFew)} at the beginning`,
      ...(largest > peak * firstFew ? [`it was ${said(largest)} at step ${steps[at]!.step}`] : []),
      ...(grown === undefined ? [] : [grown.text]),
    ].join('; '),
    advice: 'lower the learning rate, warm it up or clip the gradient',
    evidence: [
      {
        quantity: 'Loss',
        of: `median of the last, over ${isShort ? 'the first' : `the largest of the first ${first}`}`,
        value: now / start,
        threshold: above,
        values: late.values.length,
      },
    ],
    strength: Math.max(now / (above * start), largest / (peak * firstFew)),
    steps: [from, late.steps.at(-1)!],
    breaks: from,
  }
}
