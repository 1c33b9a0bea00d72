/** @file A fifth of the labels is wrong. Gradients of single samples say how many, and which. */
import { type Dataset, Linear, ReLU, Sequential } from '@beyondgrad/nn'
import { fillRandom } from '@beyondgrad/tensor'
import { digits } from './mnist.ts'
import { check, last, median, show, watch } from './showcase.ts'

interface Agreement {
  readonly above: { readonly opposed: number; readonly others: number }
  readonly losses: { readonly opposed: number; readonly others: number }
}

/** A part of the labels is another one; and which. */
function spoilt(
  data: Dataset,
  part: number,
): { readonly data: Dataset; readonly wrong: ReadonlySet<number> } {
  const labels = data.targets.data.slice()
  const draws = new Float64Array(2 * labels.length)
  fillRandom({ distribution: 'uniform', seed: 1, stream: 'labels' }, 0, 1, 1, draws.length, draws)
  const wrong = new Set([...labels.keys()].filter((n) => draws[n]! < part))
  for (const n of wrong) labels[n] = (labels[n]! + 1 + Math.floor(9 * draws[labels.length + n]!)) % 10
  return { data: { ...data, targets: { ...data.targets, data: labels } }, wrong }
}

export async function wrongLabels(): Promise<void> {
  const clean = await digits(2000)
  const { data, wrong } = spoilt(clean, 0.2)
  const all = []
  for (const each of [
    { name: '20 % wrong labels', data, expected: ['wrong-labels'] },
    { name: 'labels as they are', data: clean, expected: [] },
  ]) {
    const model = Sequential(Linear(784, 64, { seed: 1 }), ReLU(), Linear(64, 10, { seed: 2 }))
    all.push(await watch({ ...each, model, learningRate: 0.003, optimizer: 'adam', steps: 200 }))
  }
  const agreement = (of: (value: Agreement) => number) => of
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
  const above = (kind: 'opposed' | 'others') => agreement((value) => value.above[kind])
  show('Wrong labels: who opposes the rest of the batch, and loses more than at the beginning?', all, {
    'oppose, lose more': (run) =>
      `${(100 * mean(last(run, 'GradAgreement', above('opposed')))).toFixed(1)} %`,
    'agree, lose more': (run) => `${(100 * mean(last(run, 'GradAgreement', above('others')))).toFixed(1)} %`,
    'loss of those that oppose': (run) =>
      median(
        last(
          run,
          'GradAgreement',
          agreement(({ losses }) => losses.opposed),
        ),
      ).toFixed(2),
    'of others': (run) =>
      median(
        last(
          run,
          'GradAgreement',
          agreement(({ losses }) => losses.others),
        ),
      ).toFixed(2),
  })
  check(all)
  const named = all[0]!.findings.find(({ rule }) => rule === 'wrong-labels')?.samples ?? []
  const right = named.filter((sample) => wrong.has(sample)).length
  console.log(`    of ${named.length} samples that are named, ${right} have a wrong label`)
  if (right < 0.8 * named.length) process.exitCode = 1
}
