/** @file When to stop: by the noise of gradients, or by what somebody noted of other data. */
import { progressOf } from '../progress.ts'
import { defineRule, type Observation, type Rule } from '../rule.ts'
import { asFinite, type RunView } from '../run-view.ts'
import { median } from '../statistics.ts'
import { percent, said } from '../wording.ts'

export const timeToStop: Rule = defineRule({
  name: 'time-to-stop',
  says: 'Gradients of the batch can’t be told from noise, and the loss no longer falls.',
  looksAt: ['EarlyStopping', 'Loss'],
  thresholds: { evidence: 0, values: 20, fall: 0.02, lossLeft: 0.5 },
  because:
    'The criterion stops at 0. Parameters without a gradient count as noise in it, so that networks of ReLU are above 0 from the beginning: the loss must stand still, below half of where it began, besides.',
  limits: 'A note. The criterion is meant for the gradient of all data; that of a batch comes there earlier.',
  source: 'Mahsereci, Balles, Lassner and Hennig, "Early stopping without a validation set", 2017',
  find: (run, thresholds) => {
    const { steps, values } = run.latest('EarlyStopping', asFinite)
    const progress = progressOf(run)
    if (values.length < thresholds.values || progress === undefined) return undefined
    const middle = median(values)
    const isDone = progress.fall < thresholds.fall && progress.now < thresholds.lossLeft * progress.start
    if (!(middle > thresholds.evidence) || !isDone) return undefined
    return {
      severity: 'note',
      seen: `gradients look like noise: EarlyStopping = ${said(middle)} over the last ${values.length} values, and the loss stays at ${said(progress.now)}`,
      advice: 'stop here, or lower the learning rate',
      evidence: [
        {
          quantity: 'EarlyStopping',
          of: 'median',
          value: middle,
          threshold: thresholds.evidence,
          values: values.length,
        },
      ],
      strength: 1 + middle,
      steps: [steps[0]!, steps.at(-1)!],
    }
  },
})

interface Noted {
  readonly step: number
  readonly value: number
}

/** Numbers that were noted under one of these names, whatever their case and underscores. */
function noted(run: RunView, names: readonly string[]): readonly Noted[] {
  return run.notes.flatMap(({ step, values }) => {
    const found = Object.entries(values).find(([name]) =>
      names.includes(name.toLowerCase().replaceAll(/[^a-z]/g, '')),
    )?.[1]
    return typeof found === 'number' && Number.isFinite(found) ? [{ step, value: found }] : []
  })
}

const others = ['valid', 'validation', 'val', 'test', 'dev']
const namesOf = (sets: readonly string[], what: 'loss' | 'accuracy'): string[] =>
  sets.flatMap((set) => (what === 'loss' ? [`${set}loss`] : [`${set}accuracy`, `${set}acc`]))

export const overfitting: Rule = defineRule({
  name: 'overfitting',
  says: 'On other data the loss rises, or the accuracy falls, while on the training data it goes on getting much better.',
  looksAt: ['notes: train and valid or test loss and accuracy', 'Loss'],
  thresholds: { since: 3, loss: 0.1, accuracy: 0.02, training: 0.2 },
  because:
    'Three notes in a row that are worse than the best, and in the end by more than a tenth of the loss or two in a hundred samples, are rarely chance: an accuracy of 2000 samples is known to about one in a hundred. Training must have lost a fifth of its loss or of its errors since; at the level of chance accuracies go up and down too, by less than that.',
  limits:
    'Only what somebody noted, by names as "valid_loss" or "testAccuracy". Without a training loss among the notes, those of batches count.',
  source: 'Prechelt, "Early stopping – but when?", 1998',
  find: (run, thresholds) => worse(run, 'loss', thresholds) ?? worse(run, 'accuracy', thresholds),
})

function worse(
  run: RunView,
  what: 'loss' | 'accuracy',
  at: Readonly<Record<'since' | 'loss' | 'accuracy' | 'training', number>>,
): Observation | undefined {
  // The better the lower.
  const sign = what === 'loss' ? 1 : -1
  const list = noted(run, namesOf(others, what))
  const best = list.reduce<Noted | undefined>(
    (a, b) => (a === undefined || sign * b.value < sign * a.value ? b : a),
    undefined,
  )
  const last = list.at(-1)
  if (best === undefined || last === undefined || list.length - 1 - list.indexOf(best) < at.since)
    return undefined
  const gap = sign * (last.value - best.value)
  const all = best.value > 1 ? 100 : 1
  const limit = what === 'loss' ? at.loss * Math.abs(best.value) : at.accuracy * all
  const train = trainingSince(run, what, best.step)
  if (gap <= limit || train === undefined) return undefined
  const left = what === 'loss' ? Math.abs(train.then) : all - train.then
  const gain = (sign * (train.then - train.now)) / left
  if (!(gain > at.training)) return undefined
  const shown = (value: number): string =>
    what === 'accuracy' && best.value <= 1 ? percent(value) : said(value)
  return {
    severity: 'warning',
    seen: `overfitting: on other data the ${what} went from ${shown(best.value)} at step ${best.step} to ${shown(last.value)}, while that of training ${what === 'loss' ? 'fell' : 'rose'} from ${shown(train.then)} to ${shown(train.now)}`,
    advice: `go back to step ${best.step}, or regularise: weight decay, dropout, more data`,
    evidence: [
      {
        quantity: `noted ${what}`,
        of: 'last against the best',
        value: gap,
        threshold: limit,
        values: list.length,
      },
      {
        quantity: `${what} of training`,
        of:
          what === 'loss'
            ? 'share of the loss that is gone since'
            : 'share of the errors that are gone since',
        value: gain,
        threshold: at.training,
        values: 2,
      },
    ],
    strength: gap / limit,
    steps: [best.step, last.step],
  }
}

/** What training itself had at a step, and has now. */
function trainingSince(
  run: RunView,
  what: 'loss' | 'accuracy',
  step: number,
): { readonly then: number; readonly now: number } | undefined {
  const list = noted(run, namesOf(['train', 'training'], what))
  const then = list.findLast((each) => each.step <= step)
  if (then !== undefined && list.at(-1)!.step > then.step)
    return { then: then.value, now: list.at(-1)!.value }
  if (what === 'accuracy') return undefined
  const [early, late] = [
    run.before(step + 1).latest('Loss', asFinite, 20).values,
    run.latest('Loss', asFinite, 20).values,
  ]
  return early.length > 0 && late.length > 0 ? { then: median(early), now: median(late) } : undefined
}
