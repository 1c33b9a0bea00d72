/** @file Labels that look wrong: samples that the others undo, and that lose more than at the beginning. */
import type { LoggedValue } from '../../log/run-line.ts'
import { defineRule, type Rule } from '../rule.ts'
import { isRecord, type Read } from '../run-view.ts'
import { median } from '../statistics.ts'
import { listed, percent, said } from '../wording.ts'

interface Agreement {
  /** Shares of the samples that lose more than at the beginning, by whether they oppose the rest. */
  readonly opposed: number
  readonly others: number
  readonly beginning: number
  /** Mean loss of all that lose less. */
  readonly below: number
  readonly samples: readonly (readonly [index: number, loss: number])[]
}

const asAgreement: Read<Agreement> = (value) => {
  if (!isRecord(value)) return undefined
  const { above, beginning, losses, most } = value
  const within = (record: LoggedValue | undefined, name: string): LoggedValue | undefined =>
    isRecord(record) ? record[name] : undefined
  const number = (found: LoggedValue | undefined): number => (typeof found === 'number' ? found : NaN)
  const numbers = (found: LoggedValue | undefined): readonly number[] =>
    Array.isArray(found) ? (found as readonly LoggedValue[]).map(number) : []
  const read = {
    opposed: number(within(above, 'opposed')),
    others: number(within(above, 'others')),
    beginning: number(beginning),
    below: number(within(losses, 'below')),
  }
  if (Object.values(read).some(Number.isNaN)) return undefined
  const lost = numbers(within(most, 'losses'))
  const samples = numbers(within(most, 'indices')).map((index, i) => [index, lost[i] ?? NaN] as const)
  return { ...read, samples }
}

/** How many samples are named. */
const named = 20

export const wrongLabels: Rule = defineRule({
  name: 'wrong-labels',
  says: 'A part of the samples opposes the rest of every batch and loses more than at the beginning, although the others have been learned.',
  looksAt: ['GradAgreement'],
  thresholds: {
    /** Of the samples, that oppose and are above. */
    opposed: 0.03,
    /** Of the samples, that are above. */
    above: 0.075,
    /** Mean loss of the others, as a share of that at the beginning. */
    below: 0.5,
    /** Of which both halves must say so. */
    values: 40,
    /** Logged values among which samples recur. */
    memory: 400,
  },
  because:
    'Of clean MNIST and Fashion-MNIST, 0.5 to 2 % of the samples opposed and lost more than at the beginning once the others were learned, with 10 % wrong labels 4 to 6 %, with 20 % 8 to 10 %: half of the wrong ones, since a batch late in training is noise for whom to oppose. Of those, 80 to 95 % were wrong.',
  limits:
    'Needs a network that has learned the right labels and not yet the wrong ones: silent before, and after they are memorised. Losses at the beginning must be those of chance; a network whose first outputs are far off hides them. Less than about 7 % of wrong labels is not told from hard samples. Samples recur only if a run goes through its data more than once.',
  source:
    'Leave-one-out agreement of gradients: derived in docs/diagnosis.md; that wrong labels keep high losses until they are memorised: Arpit et al., "A closer look at memorization in deep networks", ICML 2017',
  find: (run, thresholds) => {
    const { steps, values } = run.latest('GradAgreement', asAgreement)
    if (values.length < thresholds.values) return undefined
    const beginning = values.at(-1)!.beginning
    const half = Math.floor(values.length / 2)
    const halves = [factsOf(values.slice(0, half)), factsOf(values.slice(half))]
    const persists = halves.every(
      ({ opposed, above, below }) =>
        opposed >= thresholds.opposed && above >= thresholds.above && below <= thresholds.below * beginning,
    )
    if (!persists) return undefined
    const { opposed, above, below } = factsOf(values)
    const samples = recurring(run.latest('GradAgreement', asAgreement, thresholds.memory).values)
    const names = samples.length === 0 ? '' : ` (samples ${listed(samples, 5)})`
    return {
      severity: 'warning',
      seen: `about ${percent(above)} of the labels look wrong: their gradients oppose the batch and their losses stay above ${said(beginning)}, where training began, while the others have ${said(below)}${names}`,
      advice:
        samples.length === 0 ? 'look at the samples with the largest losses' : 'look at these samples first',
      evidence: [
        {
          quantity: 'GradAgreement',
          of: 'mean share that opposes and is above',
          value: opposed,
          threshold: thresholds.opposed,
          values: values.length,
        },
        {
          quantity: 'GradAgreement',
          of: 'mean share that is above',
          value: above,
          threshold: thresholds.above,
          values: values.length,
        },
      ],
      strength: opposed / thresholds.opposed,
      steps: [steps[0]!, steps.at(-1)!],
      ...(samples.length > 0 && { samples }),
      explains: ['batch-too-noisy', 'steps-overshoot'],
    }
  },
})

/** Means over a window of the shares, and the median of what is below. */
function factsOf(values: readonly Agreement[]): Readonly<Record<'opposed' | 'above' | 'below', number>> {
  const mean = (of: (each: Agreement) => number): number =>
    values.reduce((sum, each) => sum + of(each), 0) / values.length
  return {
    opposed: mean((each) => each.opposed),
    above: mean((each) => each.opposed + each.others),
    below: median(values.map((each) => each.below)),
  }
}

/** Those that come up most often, and of these the ones that lose most. */
function recurring(values: readonly Agreement[]): readonly number[] {
  const seen = new Map<number, { times: number; loss: number }>()
  for (const [index, loss] of values.flatMap(({ samples }) => samples)) {
    if (Number.isNaN(index) || Number.isNaN(loss)) continue
    const { times, loss: most } = seen.get(index) ?? { times: 0, loss: 0 }
    seen.set(index, { times: times + 1, loss: Math.max(loss, most) })
  }
  return [...seen]
    .sort(([, a], [, b]) => b.times - a.times || b.loss - a.loss)
    .slice(0, named)
    .map(([index]) => index)
}
