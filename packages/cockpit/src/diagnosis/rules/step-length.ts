/** @file Steps that end higher than they began, and steps that hardly leave where they began. */
import { defineRule, type Rule } from '../rule.ts'
import { asFinite } from '../run-view.ts'
import { median } from '../statistics.ts'
import { said } from '../wording.ts'

const source =
  'Schneider, Dangel and Hennig, "Cockpit: a practical debugging tool for the training of deep neural networks", NeurIPS 2021, section 3.1'

/**
 * α of a step that ends higher than it began is above 1; where the step went uphill from its beginning, the parabola puts it below −1
 * instead.
 */
const overshot = (alpha: number): number => (alpha < -1 ? Infinity : alpha)

export const stepsOvershoot: Rule = defineRule({
  name: 'steps-overshoot',
  says: 'Most steps end higher than they began, on a parabola fitted to both ends.',
  looksAt: ['Alpha'],
  thresholds: { median: 1, values: 20 },
  because:
    'A median above 1 says that more than half of the steps end higher than they began; the best runs of the paper have one between 0 and 1.',
  limits:
    'α of one batch is noisy: fewer than 20 values say nothing. Where steps are far too long for a parabola, "diverged" speaks first.',
  source,
  find: (run, thresholds) => {
    const { steps, values } = run.latest('Alpha', asFinite)
    if (values.length < thresholds.values) return undefined
    const middle = median(values.map(overshot))
    if (!(middle > thresholds.median)) return undefined
    const seen = median(values)
    const higher = values.filter((alpha) => overshot(alpha) > 1).length
    return {
      severity: 'warning',
      seen: `steps overshoot: median α = ${said(seen)} over the last ${values.length} steps, and ${higher} of them end higher than they began`,
      advice: 'lower the learning rate',
      evidence: [
        {
          quantity: 'Alpha',
          of: 'median, uphill steps counted as longest',
          value: middle,
          threshold: thresholds.median,
          values: values.length,
        },
      ],
      strength: middle / thresholds.median,
      steps: [steps[0]!, steps.at(-1)!],
    }
  },
})
