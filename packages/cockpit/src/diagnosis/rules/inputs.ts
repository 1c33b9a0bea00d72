/** @file What comes into the first layer, by what its gradients say of it; and gradients that are nearly all in one bin. */
import type { LoggedValue } from '../../log/run-line.ts'
import { defineRule, type Rule } from '../rule.ts'
import { asNumbers, isRecord, type Read, type RunView } from '../run-view.ts'
import { median } from '../statistics.ts'
import { listed, percent, said } from '../wording.ts'

/** The first weight, if it comes with a bias: the parameter after it with as many entries as it has rows, or columns. */
function firstLayer(
  run: RunView,
): { readonly weight: string; readonly bias: string; readonly fanIn: number } | undefined {
  const [weight, bias] = run.parameters
  if (weight === undefined || bias === undefined || weight.shape.length < 2 || bias.shape.length !== 1)
    return undefined
  const outputs = bias.shape[0]!
  if (!weight.shape.includes(outputs) || outputs === 0) return undefined
  return { weight: weight.name, bias: bias.name, fanIn: weight.shape.reduce((a, b) => a * b, 1) / outputs }
}

/** A histogram of one axis: counts and their ends. */
const asHistogram: Read<{ readonly counts: readonly number[]; readonly largest: number }> = (value) => {
  if (!isRecord(value)) return undefined
  const { counts, edges } = value
  if (!isNumbers(counts) || !isNumbers(edges)) return undefined
  return { counts, largest: Math.max(Math.abs(edges[0]!), Math.abs(edges.at(-1)!)) }
}

const isNumbers = (value: LoggedValue | undefined): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((x) => typeof x === 'number')

const largestShare = (counts: readonly number[]): number =>
  Math.max(...counts) / counts.reduce((a, b) => a + b, 0)

export const badlyScaledInputs: Rule = defineRule({
  name: 'badly-scaled-inputs',
  says: 'Numbers that come into the first layer are far from the size of 1.',
  looksAt: ['GradNorm', 'GradHist1d'],
  thresholds: { large: 10, small: 0.01, values: 10 },
  because:
    'Pixels from 0 to 1 and standardised numbers gave 0.3 to 1.1 in every network, raw pixels from 0 to 255 gave 70 to 180; 10 lies in the middle.',
  limits:
    'Needs shapes and a first layer with a bias; networks that begin with a normalisation or an embedding are not judged. Where gradients of the bias cancel, late in training, the estimate is too large by up to a factor of about three.',
  source:
    '∂W = Σ δ xᵀ and ∂b = Σ δ over samples (and positions of a convolution), so that ‖∂W‖² / ‖∂b‖² is a mean of ⟨x, x′⟩ weighted by ⟨δ, δ′⟩; derived in docs/diagnosis.md. The histogram of raw pixels: Schneider, Dangel and Hennig, NeurIPS 2021, section 4.1',
  find: (run, { large, small, values: least }) => {
    const layer = firstLayer(run)
    if (layer === undefined) return undefined
    const { steps, values } = run.latest('GradNorm', asNumbers)
    const ratios = values.flatMap((norms) => {
      const [weight, bias] = [norms.get(layer.weight), norms.get(layer.bias)]
      return weight !== undefined &&
        bias !== undefined &&
        weight > 0 &&
        bias > 0 &&
        Number.isFinite(weight / bias)
        ? [weight / (bias * Math.sqrt(layer.fanIn))]
        : []
    })
    if (ratios.length < least) return undefined
    const size = median(ratios)
    if (size <= large && size >= small) return undefined
    const histogram = run.latest('GradHist1d', asHistogram, 10).values
    const [inOne, largest] = [
      median(histogram.map(({ counts }) => largestShare(counts))),
      median(histogram.map((each) => each.largest)),
    ]
    const isLarge = size > large
    return {
      severity: isLarge ? 'warning' : 'note',
      seen: `inputs are badly scaled: their root mean square is about ${said(size)}, as the gradients of ${layer.weight} and ${layer.bias} say${
        histogram.length > 0 && isLarge
          ? `; entries of gradients reach ${said(largest)}, and ${percent(inOne)} of them are in one bin`
          : ''
      }`,
      advice: isLarge ? 'scale the inputs to about 1, as pixels by 1/255' : 'scale the inputs up to about 1',
      evidence: [
        {
          quantity: 'GradNorm',
          of: 'median of ‖∂W‖ / (‖∂b‖ √inputs)',
          value: size,
          threshold: isLarge ? large : small,
          values: ratios.length,
        },
        ...(histogram.length > 0
          ? [
              {
                quantity: 'GradHist1d',
                of: 'median of the share in one bin',
                value: inOne,
                threshold: 1,
                values: histogram.length,
              },
            ]
          : []),
      ],
      strength: isLarge ? size / large : small / size,
      steps: [steps[0]!, steps.at(-1)!],
      parameters: [layer.weight, layer.bias],
    }
  },
})

/** Zero is between two bins of an even number: the share of the two neighbours that have most. */
const neighboursShare = (counts: readonly number[]): number =>
  Math.max(...counts.map((count, i) => count + (counts[i + 1] ?? 0))) / counts.reduce((a, b) => a + b, 0)

/** Those shares of gradients by parameter; of two axes, the first is the gradient's. */
const asShares: Read<ReadonlyMap<string, number>> = (value) => {
  const parameters = isRecord(value) ? value.parameters : undefined
  if (!isRecord(parameters)) return undefined
  const shares = Object.entries(parameters).flatMap(([name, record]) => {
    const counts = isRecord(record) ? record.counts : undefined
    if (!Array.isArray(counts)) return []
    const rows = (counts as readonly LoggedValue[]).map((row) =>
      typeof row === 'number' ? row : isNumbers(row) ? row.reduce((a, b) => a + b, 0) : NaN,
    )
    const part = neighboursShare(rows)
    return Number.isNaN(part) ? [] : [[name, part] as const]
  })
  return shares.length > 0 ? new Map(shares) : undefined
}

export const gradientInOneBin: Rule = defineRule({
  name: 'gradient-in-one-bin',
  says: 'Of a parameter, nearly all gradient entries are in the two bins around one place of the histogram that all share, while those of others are spread.',
  looksAt: ['GradHist1d or GradHist2d with perParameter'],
  thresholds: { share: 0.995, others: 0.95, values: 5 },
  because:
    'Gradients have heavy tails, and sparse pixels and ReLU make zeros: the two fullest neighbours of a hundred bins had 47 to 98.7 % in every parameter of five healthy networks, and all but 0.01 % in the first four of six layers of sigmoids.',
  limits:
    'A note: bins are as wide as the largest entry of all asks for, so that it says where gradients are small beside others, not that they are too small.',
  source: 'Schneider, Dangel and Hennig, NeurIPS 2021, section 4.2 and figure 5',
  find: (run, { share, others, values: least }) => {
    const one = run.latest('GradHist1d', asShares, 20)
    const found = one.values.length >= least ? one : run.latest('GradHist2d', asShares, 20)
    if (found.values.length < least) return undefined
    const middles = [...found.values.at(-1)!.keys()].map((name) => ({
      name,
      part: median(found.values.map((each) => each.get(name) ?? NaN).filter((x) => !Number.isNaN(x))),
    }))
    const narrow = middles.filter(({ part }) => part > share)
    if (narrow.length === 0 || !middles.some(({ part }) => part < others)) return undefined
    const smallest = Math.min(...narrow.map(({ part }) => part))
    return {
      severity: 'note',
      seen: `layer ${listed(narrow.map(({ name }) => name))}: ${percent(smallest)} of gradient mass in one place of the histogram, while that of others is spread`,
      advice: 'compare its gradients with those of the other layers; they may vanish on the way',
      evidence: narrow.map(({ part }) => ({
        quantity: found === one ? 'GradHist1d' : 'GradHist2d',
        of: 'median of the share in two neighbouring bins',
        value: part,
        threshold: share,
        values: found.values.length,
      })),
      strength: 1 + narrow.length / middles.length,
      steps: [found.steps[0]!, found.steps.at(-1)!],
      parameters: narrow.map(({ name }) => name),
    }
  },
})
