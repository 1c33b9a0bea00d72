/** @file Steps that end higher than they began, and steps that hardly leave where they began. */
import { isPlainDescent, progressOf, rateIsOnItsWay, signalOf } from '../progress.ts'
import { defineRule, type Observation, type Rule } from '../rule.ts'
import { asFinite, type Found, type RunView, valueIn } from '../run-view.ts'
import { median, share } from '../statistics.ts'
import { percent, said } from '../wording.ts'

const paper =
  'Schneider, Dangel and Hennig, "Cockpit: a practical debugging tool for the training of deep neural networks", NeurIPS 2021, section 3.1'

/** α above 1 ends higher than it began; where the step went uphill from its beginning, the parabola puts it below −1 instead. */
const isHigher = (alpha: number): boolean => alpha > 1 || alpha < -1
const alphas = (run: RunView): Found<number> => run.latest('Alpha', asFinite)
const normTest = (run: RunView): number | undefined => {
  const { values } = run.latest('NormTest', asFinite)
  return values.length < 10 ? undefined : median(values)
}

export const stepsOvershoot: Rule = defineRule({
  name: 'steps-overshoot',
  says: 'Steps end higher than they began: most of them, or enough that the loss does not fall although gradients point somewhere, or while the loss falls slowly with a rate far above what the curvature allows.',
  looksAt: ['Alpha', 'Loss', 'NormTest', 'HessMaxEV'],
  thresholds: {
    /** Of α, uphill steps counted as the longest: more than half of the steps end higher. */
    median: 1,
    values: 20,
    /** Steps that end higher, where the loss does not fall. */
    share: 0.08,
    fall: 0.02,
    lossLeft: 0.5,
    normTest: 0.95,
    /** Of rate · λ / 2, where α is long and the loss falls slowly besides. */
    curvature: 2,
    long: 0.3,
    slow: 0.1,
  },
  because:
    'α above 1 is higher by definition. Batches differ, and the next one takes back what fitted this one alone, so that the median hardly comes above 0.9 in stochastic training, however large the rate is. In a sweep of rates over three networks, no step ended higher where the rate was too small, and 4 to 40 % did with all larger ones, good ones included: so that this counts only where the loss stands still besides.',
  limits:
    'Fewer than 20 values of α say nothing. Curvature is looked at for plain gradient descent only. Rates that kill a network at once are told by "diverged" and "dead-layer".',
  source: paper,
  find: (run, thresholds) => {
    const found = alphas(run)
    if (found.values.length < thresholds.values) return undefined
    const middle = median(found.values.map((alpha) => (alpha < -1 ? Infinity : alpha)))
    const higher = share(found.values, isHigher)
    const isMost = middle > thresholds.median
    const stuck = stuckBy(run, higher, thresholds)
    const sharp = sharpnessOf(run, median(found.values), thresholds)
    if (!isMost && stuck === undefined && sharp === undefined) return undefined
    const count = found.values.length
    return {
      severity: 'warning',
      seen: [
        `steps overshoot: median α = ${said(median(found.values))} over the last ${count} steps, and ${percent(higher)} of them end higher than they began`,
        ...(stuck === undefined ? [] : [`the loss stays at ${said(stuck)}`]),
        ...(sharp === undefined ? [] : [`the rate is ${said(sharp)} times 2/λmax`]),
      ].join('; '),
      advice: 'lower the learning rate',
      evidence: [
        isMost || stuck === undefined
          ? {
              quantity: 'Alpha',
              of: 'median',
              value: middle,
              threshold: isMost ? 1 : thresholds.long,
              values: count,
            }
          : {
              quantity: 'Alpha',
              of: 'share that ends higher',
              value: higher,
              threshold: thresholds.share,
              values: count,
            },
        ...(sharp === undefined
          ? []
          : [
              {
                quantity: 'HessMaxEV',
                of: 'rate · λ / 2',
                value: sharp,
                threshold: thresholds.curvature,
                values: 4,
              },
            ]),
      ],
      strength: Math.max(
        isMost ? middle : 1,
        stuck === undefined ? 1 : higher / thresholds.share,
        (sharp ?? 0) / thresholds.curvature,
      ),
      steps: [found.steps[0]!, found.steps.at(-1)!],
      explains: ['batch-too-noisy', 'edge-of-stability'],
    }
  },
})

/** The loss, where it does not fall although gradients have a direction and steps are not short. */
function stuckBy(
  run: RunView,
  higher: number,
  at: Readonly<Record<'share' | 'fall' | 'lossLeft' | 'normTest', number>>,
): number | undefined {
  const progress = progressOf(run)
  if (progress === undefined || higher < at.share || progress.fall >= at.fall) return undefined
  const isNoise = (normTest(run) ?? 0) >= at.normTest
  return progress.now > at.lossLeft * progress.start && !isNoise ? progress.now : undefined
}

function sharpnessOf(
  run: RunView,
  alpha: number,
  at: Readonly<Record<'curvature' | 'long' | 'slow', number>>,
): number | undefined {
  const progress = progressOf(run)
  if (progress === undefined || progress.fall >= at.slow) return undefined
  if (!(alpha > at.long) || isPlainDescent(run) === false) return undefined
  const values = sharpnesses(run)
  return values.length >= 4 && median(values) > at.curvature ? median(values) : undefined
}

/** Rate · λ / 2 of the last steps that have both. */
export function sharpnesses(run: RunView, most = 20): readonly number[] {
  return run
    .latestSteps(run.window)
    .flatMap((step) => {
      const value = valueIn(step, 'HessMaxEV', asFinite)
      return value === undefined || step.learningRate === undefined ? [] : [(step.learningRate * value) / 2]
    })
    .slice(-most)
}

export const stepsTooShort: Rule = defineRule({
  name: 'steps-too-short',
  says: 'α is what a step of no length would have: steps do not come far enough to feel the curvature.',
  looksAt: ['Alpha', 'NormTest', 'Loss'],
  thresholds: {
    /** For steps whose direction does not depend on their batch. */
    median: -0.75,
    /** Above what no step at all would give, for plain descent. */
    gap: 0.1,
    normTest: 0.9,
    values: 20,
    fall: 0.1,
    lossLeft: 0.5,
  },
  because:
    'A step of no length has α = −1 if its direction does not depend on its batch. Plain descent goes along the batch’s own gradient, whose slope is −‖ḡ‖² at the beginning and −⟨ḡ, ḡ′⟩ ≈ −‖G‖² with the next batch: the parabola bends though nothing moved, and α = −‖G‖²/‖ḡ‖² ≈ NormTest² − 1. Measured with rates that are 30 and 100 times too small: within 0.08 of it, and −0.8 to −0.98 with momentum and Adam.',
  limits:
    'Where NormTest is above 0.9, plain descent’s α says little. A rate that rises, or was lowered to less than a third on purpose, is left alone. A note as long as the loss falls by a tenth from window to window.',
  source: `${paper}; the value for plain descent derived in docs/diagnosis.md`,
  find: (run, thresholds): Observation | undefined => {
    const { steps, values } = alphas(run)
    if (values.length < thresholds.values || rateIsOnItsWay(run)) return undefined
    const progress = progressOf(run)
    if (progress === undefined || progress.now <= thresholds.lossLeft * progress.start) return undefined
    const noise = normTest(run)
    const isPlain = isPlainDescent(run) === true
    if (isPlain && (noise === undefined || noise > thresholds.normTest)) return undefined
    const still = isPlain ? -signalOf(noise!) : -1
    const limit = isPlain ? still + thresholds.gap : thresholds.median
    const alpha = median(values)
    if (alpha > limit) return undefined
    return {
      severity: progress.fall < thresholds.fall ? 'warning' : 'note',
      seen: `steps are too short: median α = ${said(alpha)} over the last ${values.length} steps, where a step of no length has ${said(still)}`,
      advice: 'raise the learning rate',
      evidence: [
        { quantity: 'Alpha', of: 'median', value: alpha, threshold: limit, values: values.length },
        {
          quantity: 'Loss',
          of: 'fall from window to window',
          value: progress.fall,
          threshold: thresholds.fall,
          values: 2 * values.length,
        },
      ],
      strength: 1 + (limit - alpha),
      steps: [steps[0]!, steps.at(-1)!],
    }
  },
})
