/** @file Data and networks that something is wrong with. */
import type { Dataset } from '@beyondgrad/nn'
import { fillRandom } from '@beyondgrad/tensor'

/** Pixels from 0 to 255, as files have them. */
export function rawPixels(data: Dataset): Dataset {
  return { ...data, inputs: { ...data.inputs, data: data.inputs.data.map((x) => x * 255) } }
}

/** A part of the labels is another one, drawn evenly; and which. */
export function wrongLabels(
  data: Dataset,
  part: number,
  seed: number,
): { readonly data: Dataset; readonly wrong: ReadonlySet<number> } {
  const { targets } = data
  const count = targets.data.length
  const draws = new Float64Array(2 * count)
  fillRandom({ distribution: 'uniform', seed, stream: 'labels' }, 0, 1, 1, draws.length, draws)
  const labels = targets.data.slice()
  const wrong = new Set<number>()
  for (let n = 0; n < count; n++) {
    if (draws[n]! >= part) continue
    labels[n] = (labels[n]! + 1 + Math.floor(draws[count + n]! * 9)) % 10
    wrong.add(n)
  }
  return { data: { ...data, targets: { ...targets, data: labels } }, wrong }
}
