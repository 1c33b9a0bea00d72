/** @file A batch that is too small for the noise of its gradients. */
import { progressOf } from '../progress.ts'
import { defineRule, type Rule } from '../rule.ts'
import { asFinite, type RunView } from '../run-view.ts'
import { median, share } from '../statistics.ts'
import { percent, said } from '../wording.ts'

const tests = ['NormTest', 'InnerTest', 'OrthoTest'] as const

/** Of each test that is logged: its median, and how often it was above a threshold. */
function failing(
  run: RunView,
  threshold: number,
): { readonly test: string; readonly value: number; readonly part: number; readonly values: number }[] {
  return tests.flatMap((test) => {
    const { values } = run.latest(test, asFinite)
    if (values.length < 20) return []
    return [{ test, value: median(values), part: share(values, (x) => x > threshold), values: values.length }]
  })
}

export const batchTooNoisy: Rule = defineRule({
  name: 'batch-too-noisy',
  says: 'The gradients of the samples differ so much that their mean is noise, and the loss no longer falls.',
  looksAt: ['NormTest', 'InnerTest', 'OrthoTest', 'Loss', 'CABS'],
  thresholds: {
    test: 0.95,
    /** Of the window that is above it. */
    part: 0.6,
    fall: 0.02,
    /** Of the loss at the beginning; a note from the second on. */
    lossLeft: 0.5,
    noted: 0.2,
    spread: 0.05,
  },
  because:
    'NormTest² is the share of noise in the squared norm of the batch’s gradient, and above 0.95 a tenth is left for the data. Every healthy run comes there late, so that it is told only where the loss stands still, and warned of where it does so above half of where it began.',
  limits:
    'Losses that are the same in every batch are a matter of "plateau". A trained network at its noise floor is a note.',
  source:
    'Byrd, Chin, Nocedal and Wu, 2012; Bollapragada, Byrd and Nocedal, 2018; the batch size by Balles, Romero and Hennig, "Coupling adaptive batch sizes with learning rates", UAI 2017',
  find: (run, thresholds) => {
    const progress = progressOf(run)
    if (progress === undefined || progress.fall >= thresholds.fall || progress.spread < thresholds.spread)
      return undefined
    if (progress.now <= thresholds.noted * progress.start) return undefined
    const failed = failing(run, thresholds.test).filter(({ part }) => part >= thresholds.part)
    const worst = failed.toSorted((a, b) => b.value - a.value)[0]
    if (worst === undefined || !failed.some(({ test }) => test !== 'InnerTest')) return undefined
    const cabs = run.latest('CABS', asFinite).values
    const suggested = cabs.length < 10 ? undefined : Math.round(median(cabs))
    const size = run.header?.batchSize
    const larger =
      suggested !== undefined && typeof size === 'number' && suggested > size
        ? ` (CABS suggests ${suggested})`
        : ''
    return {
      severity: progress.now > thresholds.lossLeft * progress.start ? 'warning' : 'note',
      seen: `the batch is too noisy for its size: ${worst.test} = ${said(worst.value)}, above ${thresholds.test} in ${percent(worst.part)} of the last ${worst.values} steps, while the loss stays at ${said(progress.now)}`,
      advice: `raise the batch size${larger} or lower the learning rate`,
      evidence: failed.map(({ test, value, values }) => ({
        quantity: test,
        of: 'median',
        value,
        threshold: thresholds.test,
        values,
      })),
      strength: worst.value / thresholds.test,
      steps: progress.steps,
    }
  },
})
