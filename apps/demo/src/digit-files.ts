/** @file Where the digits lie beside the page, and how many there are. */

export type Split = 'train' | 'test'

/** A file of images and one of their labels, as IDX has them. */
export interface Digits {
  readonly images: Uint8Array
  readonly labels: Uint8Array
}

/** Addresses, relative to the page's. */
export const digitFiles: Readonly<Record<Split, Readonly<Record<keyof Digits, string>>>> = {
  train: { images: 'digits/train-images.idx.gz', labels: 'digits/train-labels.idx.gz' },
  test: { images: 'digits/test-images.idx.gz', labels: 'digits/test-labels.idx.gz' },
}

/** How many of MNIST's digits are taken: the first ones. */
export const digitCounts: Readonly<Record<Split, number>> = { train: 10_000, test: 2000 }
