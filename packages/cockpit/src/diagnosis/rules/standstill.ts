/** @file A loss that stands still: on a plateau, because the rate is too small, or because nothing moves. */
import { progressOf, rateIsOnItsWay, reachOf } from '../progress.ts'
import { defineRule, type Rule } from '../rule.ts'
import { asFinite, asNorm, type RunView } from '../run-view.ts'
import { median } from '../statistics.ts'
import { percent, said } from '../wording.ts'

const guide = 'Cockpit’s guide to GradNorm and UpdateSize, with numbers of our own'

/** The latest gradient norm as a multiple of the first ones. */
function gradientLeft(run: RunView): number | undefined {
  const now = run.latest('GradNorm', asNorm).values
  const start = median(run.earliest('GradNorm', asNorm, 10).values)
  return now.length >= 10 && start > 0 ? median(now) / start : undefined
}

const middleOf = (run: RunView, quantity: string): number | undefined => {
  const { values } = run.latest(quantity, asFinite)
  return values.length < 10 ? undefined : median(values)
}

export const noMovement: Rule = defineRule({
  name: 'no-movement',
  says: 'The updates are exactly zero.',
  looksAt: ['UpdateSize'],
  thresholds: { values: 10 },
  because: 'Ten updates in a row that are exactly zero are no rounding.',
  limits: 'Needs UpdateSize, which needs the step after each.',
  source: 'by definition',
  find: (run, { values: least }) => {
    const { steps, values } = run.latest('UpdateSize', asNorm)
    if (values.length < least || values.slice(-least).some((size) => size !== 0)) return undefined
    const gradient = run.latest('GradNorm', asNorm, least).values
    const isFlat = gradient.length > 0 && gradient.every((norm) => norm === 0)
    return {
      severity: 'error',
      seen: isFlat
        ? `nothing moves: gradients and updates were exactly zero over the last ${least} steps`
        : `nothing moves: updates were exactly zero over the last ${least} steps`,
      advice: isFlat
        ? 'look for what cuts the loss off from the parameters: dead units, a constant, a mask'
        : 'look at the learning rate and its schedule',
      evidence: [{ quantity: 'UpdateSize', of: 'largest', value: 0, threshold: 0, values: least }],
      steps: [steps.at(-least)!, steps.at(-1)!],
      explains: ['plateau', 'learning-rate-too-small', 'steps-too-short', 'dead-layer'],
    }
  },
})

export const learningRateTooSmall: Rule = defineRule({
  name: 'learning-rate-too-small',
  says: 'Gradients are as large as at the beginning and point somewhere, but updates are so small that the loss hardly moves.',
  looksAt: ['Loss', 'GradNorm', 'UpdateSize', 'NormTest'],
  thresholds: {
    /** ‖ḡ‖ ‖Δθ‖ as a share of the loss. */
    reach: 0.001,
    fall: 0.05,
    lossLeft: 0.5,
    gradientLeft: 0.3,
    normTest: 0.95,
  },
  because:
    'To first order a step lowers the loss by ‖ḡ‖ ‖Δθ‖ at most; below a thousandth of the loss, fifty steps can’t lower it by more than a twentieth. Healthy runs were at 0.03 and above, rates 100 times too small at 0.00004 to 0.003.',
  limits:
    'A rate that rises, or was lowered on purpose, is left alone. On a plateau the gradient is noise; then "plateau" speaks.',
  source: `${guide}; the bound by the inequality of Cauchy and Schwarz`,
  find: (run, thresholds) => {
    const [progress, reach, left] = [progressOf(run), reachOf(run), gradientLeft(run)]
    if (progress === undefined || reach === undefined || left === undefined) return undefined
    const isStill = progress.fall < thresholds.fall && progress.now > thresholds.lossLeft * progress.start
    const isNoise = (middleOf(run, 'NormTest') ?? 0) >= thresholds.normTest
    if (!(reach > 0 && reach < thresholds.reach) || !isStill || isNoise) return undefined
    if (left < thresholds.gradientLeft || rateIsOnItsWay(run)) return undefined
    return {
      severity: 'warning',
      seen: `the learning rate is too small: gradients are ${said(left)} times as large as at the beginning, but a step can lower the loss of ${said(progress.now)} by ${percent(reach)} at most`,
      advice: 'raise the learning rate, by a factor of 10 at first',
      evidence: [
        {
          quantity: 'UpdateSize',
          of: 'median of ‖ḡ‖ ‖Δθ‖ / loss',
          value: reach,
          threshold: thresholds.reach,
          values: run.window,
        },
        {
          quantity: 'Loss',
          of: 'fall from window to window',
          value: progress.fall,
          threshold: thresholds.fall,
          values: 2 * run.window,
        },
      ],
      strength: thresholds.reach / reach,
      steps: progress.steps,
      explains: ['steps-too-short'],
    }
  },
})

export const plateau: Rule = defineRule({
  name: 'plateau',
  says: 'The loss stands still and is the same in every batch, and what is left of the gradient is small or noise.',
  looksAt: ['Loss', 'GradNorm', 'NormTest'],
  thresholds: {
    fall: 0.02,
    lossLeft: 0.5,
    /** Distance of the quartiles of the loss, as a share of it. */
    spread: 0.05,
    normTest: 0.95,
    gradientLeft: 0.1,
  },
  because:
    'Above a NormTest of 0.95, less than a tenth of the squared gradient norm is that of the data (1 − 0.95²). Losses of batches differ by more than a twentieth as soon as a network tells samples apart.',
  limits:
    'A loss below half of where it began counts as trained. Says that training stands still, not why: "vanishing-gradients" and "dead-layer" do where they can.',
  source: guide,
  find: (run, thresholds) => {
    const [progress, left, noise] = [progressOf(run), gradientLeft(run), middleOf(run, 'NormTest')]
    if (progress === undefined || Math.abs(progress.fall) >= thresholds.fall) return undefined
    if (progress.now <= thresholds.lossLeft * progress.start || progress.spread >= thresholds.spread)
      return undefined
    const isNoise = noise !== undefined && noise >= thresholds.normTest
    const isSmall = left !== undefined && left < thresholds.gradientLeft
    if (!isNoise && !isSmall) return undefined
    return {
      severity: 'warning',
      seen: isNoise
        ? `plateau: the loss stays at ${said(progress.now)}, and the gradient is noise (NormTest ${said(noise)})`
        : `plateau: the loss stays at ${said(progress.now)}, and the gradient is ${said(left!)} of what it was at the beginning`,
      advice:
        'change initial weights or activations, or normalise between layers; another learning rate alone will not help',
      evidence: [
        {
          quantity: 'Loss',
          of: 'fall from window to window',
          value: progress.fall,
          threshold: thresholds.fall,
          values: 2 * run.window,
        },
        isNoise
          ? {
              quantity: 'NormTest',
              of: 'median',
              value: noise,
              threshold: thresholds.normTest,
              values: run.window,
            }
          : {
              quantity: 'GradNorm',
              of: 'median, as a multiple of the first',
              value: left!,
              threshold: thresholds.gradientLeft,
              values: run.window,
            },
      ],
      strength: isNoise ? noise / thresholds.normTest : thresholds.gradientLeft / left!,
      steps: progress.steps,
      explains: ['batch-too-noisy'],
    }
  },
})
