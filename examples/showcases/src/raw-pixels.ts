/** @file Pixels from 0 to 255 train, too, only badly. The histogram of gradients gives them away. */
import { Linear, ReLU, Sequential } from '@beyondgrad/nn'
import { digits } from './mnist.ts'
import { check, last, median, show, watch } from './showcase.ts'

interface Histogram {
  readonly counts: readonly number[]
  readonly edges: readonly number[]
}

export async function rawPixels(): Promise<void> {
  const data = await digits(2000)
  const raw = { ...data, inputs: { ...data.inputs, data: data.inputs.data.map((x) => 255 * x) } }
  const cases = [
    { name: 'pixels 0 … 255', data: raw, expected: ['badly-scaled-inputs'] },
    { name: 'pixels 0 … 1', data, expected: [] },
  ]
  const all = []
  for (const each of cases) {
    const model = Sequential(Linear(784, 64, { seed: 1 }), ReLU(), Linear(64, 10, { seed: 2 }))
    // The same relative rate: gradients of the first layer grow with its inputs.
    all.push(await watch({ ...each, model, learningRate: each.data === raw ? 0.001 : 0.1, steps: 150 }))
  }
  const histogram = (value: Histogram): Histogram => value
  show('Raw pixels: where are the entries of the gradients?', all, {
    'largest entry': (run) =>
      median(last(run, 'GradHist1d', histogram).map(({ edges }) => edges.at(-1)!)).toFixed(2),
    'in one of 100 bins': (run) =>
      `${(100 * median(last(run, 'GradHist1d', histogram).map(({ counts }) => Math.max(...counts) / counts.reduce((a, b) => a + b, 0)))).toFixed(1)} %`,
    '‖∂W‖ / (‖∂b‖ √784)': (run) =>
      median(
        last(
          run,
          'GradNorm',
          (norms: Readonly<Record<string, number>>) => norms['0.weight']! / norms['0.bias']! / 28,
        ),
      ).toFixed(2),
  })
  check(all)
}
