/** @file Layers whose gradients vanish, explode, or are not there at all. */
import { layerGradients, trendOf } from '../layers.ts'
import { defineRule, type Observation, type Rule } from '../rule.ts'
import { asNorm, asNumbers, type RunView } from '../run-view.ts'
import { median } from '../statistics.ts'
import { listed, said } from '../wording.ts'

const thresholds = {
  /** From the first layer to the last. */
  total: 1000,
  /** From layer to layer, on average. */
  factor: 3,
  /** Of the logarithms, that a straight line explains. */
  fit: 0.7,
  layers: 3,
} as const

const because =
  'Per entry (divided by the root of the size), first and last weights of healthy networks of three to six layers differed by a factor of 2 to 50, those of six layers with sigmoids by 3000 to 50 000 while they did not train.'
const source = 'Hochreiter, 1991; Bengio, Simard and Frasconi, 1994; Glorot and Bengio, AISTATS 2010'
const limits =
  'Layers are in the order of the header; parallel branches have none. Logs without shapes, as those of the Python library, can’t be told.'

type Limits = Readonly<Record<keyof typeof thresholds, number>>

/** Towards the input, gradients change by a factor that is far from 1 and about the same at each layer. */
function trend(run: RunView, direction: 'vanish' | 'explode', at: Limits): Observation | undefined {
  const layers = layerGradients(run)
  const [first, last] = [layers[0], layers.at(-1)]
  if (first === undefined || last === undefined || layers.length < at.layers) return undefined
  const { factor, fit } = trendOf(layers)
  const isVanishing = direction === 'vanish'
  const total = isVanishing ? last.size / first.size : first.size / last.size
  const each = isVanishing ? factor : 1 / factor
  if (total < at.total || each < at.factor || fit < at.fit) return undefined
  const { steps, values } = run.latest('GradNorm', asNorm)
  return {
    severity: 'warning',
    seen: `gradients ${direction} towards the input: those of ${first.name} are ${said(total)} times ${isVanishing ? 'smaller' : 'larger'} per entry than those of ${last.name}, ${said(each)} times a layer`,
    advice: isVanishing
      ? 'use ReLU or residual connections, initial weights that keep variances, or normalise between layers'
      : 'use smaller initial weights, normalise between layers, or clip the gradient',
    evidence: [
      {
        quantity: 'GradNorm',
        of: 'last over first, per entry',
        value: isVanishing ? total : 1 / total,
        threshold: isVanishing ? at.total : 1 / at.total,
        values: values.length,
      },
    ],
    strength: total / at.total,
    steps: [steps[0]!, steps.at(-1)!],
    parameters: (isVanishing ? layers : layers.toReversed())
      .slice(0, Math.ceil(layers.length / 2))
      .map(({ name }) => name),
    explains: ['plateau', 'gradient-in-one-bin'],
  }
}

export const vanishingGradients: Rule = defineRule({
  name: 'vanishing-gradients',
  says: 'From layer to layer towards the input, gradients become smaller by about the same factor.',
  looksAt: ['GradNorm'],
  thresholds,
  because,
  limits,
  source,
  find: (run, at) => trend(run, 'vanish', at),
})

export const explodingGradients: Rule = defineRule({
  name: 'exploding-gradients',
  says: 'From layer to layer towards the input, gradients become larger by about the same factor, or all of them have grown since the beginning.',
  looksAt: ['GradNorm'],
  thresholds: { ...thresholds, growth: 200 },
  because: `${because} Gradients of healthy runs grew up to 25 times from where they began.`,
  limits,
  source,
  find: (run, at) => {
    const found = trend(run, 'explode', at)
    if (found !== undefined) return found
    const start = median(run.earliest('GradNorm', asNorm, 10).values)
    const { steps, values } = run.latest('GradNorm', asNorm, 20)
    const growth = median(values) / start
    if (values.length < 20 || !(growth > at.growth) || growth === Infinity) return undefined
    return {
      severity: 'warning',
      seen: `gradients explode: they are ${said(growth)} times as large as at the beginning`,
      advice: 'lower the learning rate or clip the gradient',
      evidence: [
        {
          quantity: 'GradNorm',
          of: 'median, as a multiple of the first',
          value: growth,
          threshold: at.growth,
          values: values.length,
        },
      ],
      strength: growth / at.growth,
      steps: [steps[0]!, steps.at(-1)!],
    }
  },
})

export const deadLayer: Rule = defineRule({
  name: 'dead-layer',
  says: 'The gradient of a whole parameter is exactly zero while others have one.',
  looksAt: ['GradNorm'],
  thresholds: { values: 10 },
  because:
    'Ten gradients in a row of which every entry is exactly zero are no rounding; no healthy run had one.',
  limits: 'Can’t tell units that died from a parameter that the loss does not use.',
  source: 'by definition',
  find: (run, { values: least }) => {
    const { steps, values } = run.latest('GradNorm', asNumbers, least)
    if (values.length < least) return undefined
    const all = [...values.at(-1)!.keys()]
    const dead = all.filter((name) => values.every((each) => each.get(name) === 0))
    if (dead.length === 0 || dead.length === all.length) return undefined
    return {
      severity: 'warning',
      seen: `no gradient reaches ${listed(dead, 4)}: exactly zero over the last ${values.length} steps`,
      advice:
        'units behind may be dead (lower the learning rate, start again with other weights), or the loss does not use them',
      evidence: [{ quantity: 'GradNorm', of: 'largest', value: 0, threshold: 0, values: values.length }],
      strength: 1 + dead.length,
      steps: [steps[0]!, steps.at(-1)!],
      parameters: dead,
      explains: [
        'plateau',
        'vanishing-gradients',
        'gradient-in-one-bin',
        'learning-rate-too-small',
        'steps-too-short',
        'steps-overshoot',
        'batch-too-noisy',
      ],
    }
  },
})
