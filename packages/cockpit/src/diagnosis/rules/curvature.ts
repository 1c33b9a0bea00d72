/** @file The learning rate against the curvature, and curvature that grows. */
import { isPlainDescent } from '../progress.ts'
import { defineRule, type Rule } from '../rule.ts'
import { asFinite, asSum } from '../run-view.ts'
import { median } from '../statistics.ts'
import { said } from '../wording.ts'
import { sharpnesses } from './step-length.ts'

export const edgeOfStability: Rule = defineRule({
  name: 'edge-of-stability',
  says: 'The learning rate is above 2/λ for the largest eigenvalue λ of the Hessian.',
  looksAt: ['HessMaxEV', 'GradNorm', 'UpdateSize'],
  thresholds: { product: 1, values: 4 },
  because:
    'On a parabola, descent with a rate above 2/λ oscillates outwards. Networks are no parabolas and train at this edge, which is why this is a note.',
  limits:
    'For plain gradient descent only: momentum and adaptive rates have other edges. A batch’s λ is larger than that of all data.',
  source:
    'Cohen, Kaur, Li, Kolter and Talwalkar, "Gradient descent on neural networks typically occurs at the edge of stability", ICLR 2021',
  find: (run, { product, values: least }) => {
    if (isPlainDescent(run) === false) return undefined
    const values = sharpnesses(run)
    const middle = median(values)
    if (values.length < least || !(middle > product)) return undefined
    const { steps, values: eigenvalues } = run.latest('HessMaxEV', asFinite, values.length)
    const rate = run.latestSteps(1)[0]?.learningRate
    return {
      severity: 'note',
      seen: `learning rate ${rate === undefined ? '' : `${said(rate)} `}is above 2/λmax = ${said(2 / median(eigenvalues))} over the last ${values.length} values: training is at the edge of stability`,
      advice: 'lower the learning rate if the loss jumps, else leave it',
      evidence: [
        {
          quantity: 'HessMaxEV',
          of: 'median of rate · λ / 2',
          value: middle,
          threshold: product,
          values: values.length,
        },
      ],
      strength: middle / product,
      steps: [steps[0]!, steps.at(-1)!],
    }
  },
})

export const curvatureGrows: Rule = defineRule({
  name: 'curvature-grows',
  says: 'The trace of the Hessian has grown strongly since the beginning.',
  looksAt: ['HessTrace'],
  thresholds: { growth: 10, values: 10 },
  because: 'Curvature of healthy networks grows, too, by a few times while they begin to tell samples apart.',
  limits: 'A note: it says that the valley narrows, and that a rate that was right may become too large.',
  source: 'Schneider, Dangel and Hennig, NeurIPS 2021, section 3.3',
  find: (run, { growth: limit, values: least }) => {
    const [early, late] = [run.earliest('HessTrace', asSum, least), run.latest('HessTrace', asSum, least)]
    const growth = median(late.values) / median(early.values)
    if (late.values.length < least || late.steps[0]! <= early.steps.at(-1)!) return undefined
    if (!(median(early.values) > 0 && growth > limit)) return undefined
    return {
      severity: 'note',
      seen: `curvature grows: the Hessian’s trace is ${said(median(late.values))}, ${said(growth)} times as large as at the beginning`,
      advice: 'watch the step length, and lower the learning rate if steps overshoot',
      evidence: [
        {
          quantity: 'HessTrace',
          of: 'median, as a multiple of the first',
          value: growth,
          threshold: limit,
          values: late.values.length,
        },
      ],
      strength: growth / limit,
      steps: [late.steps[0]!, late.steps.at(-1)!],
    }
  },
})
