/** @file Handwritten digits as the page gets them: MNIST's own IDX files, fewer digits, gzipped. */
import { parseIdx } from '@beyondgrad/io'
import type { Dataset } from '@beyondgrad/nn'
import { BeyondgradError, fillRandom } from '@beyondgrad/tensor'
import { type Digits, digitFiles, type Split } from '../digit-files.ts'

export type { Digits } from '../digit-files.ts'

/** Images [count, 1, 28, 28] of bytes' values in 0 … 1 and their labels, from a folder's address. */
export async function fetchDigits(folder: string, split: Split): Promise<Dataset> {
  const [images, labels] = await Promise.all(
    (['images', 'labels'] as const).map((what) => bytesOf(new URL(digitFiles[split][what], folder))),
  )
  return digitsFrom({ images: images!, labels: labels! })
}

export async function digitsFrom({ images, labels }: Digits): Promise<Dataset> {
  const [pixels, targets] = await Promise.all([
    parseIdx(images, { dtype: 'float32', scale: 1 / 255 }),
    parseIdx(labels, { dtype: 'int32' }),
  ])
  const [count = 0, height = 0, width = 0] = pixels.shape
  return { inputs: { ...pixels, shape: [count, 1, height, width] }, targets }
}

async function bytesOf(address: URL): Promise<Uint8Array> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new BeyondgradError('value', `the digits cannot be fetched from ${address.href} (${String(error)})`)
  })
  if (!response.ok) {
    throw new BeyondgradError(
      'value',
      `the digits cannot be fetched: ${address.href} answers ${response.status}`,
    )
  }
  return new Uint8Array(await response.arrayBuffer())
}

/**
 * Labels of which a share is wrong: at places drawn from the seed, each another digit than before.
 *
 * @returns the labels, and where they are wrong
 */
export function corrupted(
  labels: Int32Array,
  share: number,
  seed: number,
  classes = 10,
): { readonly labels: Int32Array; readonly wrong: ReadonlySet<number> } {
  const numbers = new Float64Array(2 * labels.length)
  fillRandom({ distribution: 'uniform', seed, stream: 'wrong labels' }, 0, 1, 1, numbers.length, numbers)
  const places = [...labels.keys()].sort((a, b) => numbers[a]! - numbers[b]!)
  const wrong = new Set(places.slice(0, Math.round(share * labels.length)))
  return {
    wrong,
    labels: labels.map((label, i) =>
      wrong.has(i) ? (label + 1 + Math.floor(numbers[labels.length + i]! * (classes - 1))) % classes : label,
    ),
  }
}
