/** @file Two losses that do not fall look alike. Alpha says which of the two rates is too small, and which is too large. */
import { Linear, ReLU, Sequential } from '@beyondgrad/nn'
import type { Run } from '@beyondgrad/cockpit'
import { digits } from './mnist.ts'
import { check, last, median, show, watch } from './showcase.ts'

const alphas = (run: Run): readonly number[] => last(run, 'Alpha', (alpha: number) => alpha)

export async function learningRates(): Promise<void> {
  const data = await digits(2000)
  const cases = [
    { name: 'rate 0.002', learningRate: 0.002, expected: ['learning-rate-too-small', 'steps-too-short'] },
    { name: 'rate 0.2', learningRate: 0.2, expected: [] },
    // So long a step is chaos: on another machine it may kill the network instead.
    { name: 'rate 2', learningRate: 2, expected: ['steps-overshoot', 'dead-layer', 'diverged'] },
  ]
  const all = []
  for (const each of cases) {
    const model = Sequential(
      Linear(784, 64, { seed: 1 }),
      ReLU(),
      Linear(64, 32, { seed: 2 }),
      ReLU(),
      Linear(32, 10, { seed: 3 }),
    )
    all.push(await watch({ ...each, model, data, batchSize: 128, steps: 150 }))
  }
  show(
    'Learning rates: how long is a step on the parabola along it? −1: it did not move; 0: at the minimum; above 1: higher than before',
    all,
    {
      'median α': (run) => median(alphas(run)).toFixed(2),
      'ends higher': (run) =>
        `${((100 * alphas(run).filter((a) => a > 1 || a < -1).length) / 50).toFixed(0)} %`,
      NormTest: (run) => median(last(run, 'NormTest', (x: number) => x)).toFixed(2),
    },
  )
  check(all)
}
