import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { firstItems } from '../build/digits-plugin.ts'
import { corrupted, digitsFrom } from '../src/training/digits.ts'

/** Three pictures of 2 × 2 pixels. */
const images = Uint8Array.of(
  0,
  0,
  8,
  3,
  0,
  0,
  0,
  3,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  255,
  0,
  0,
  51,
  5,
  6,
  7,
  8,
  9,
  9,
  9,
  9,
)
const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 4, 7, 2)

it('cuts an IDX file to its first items', async () => {
  const dataset = await digitsFrom({
    images: gzipSync(firstItems(images, 2)),
    labels: firstItems(labels, 2),
  })
  expect(dataset.inputs.shape).toEqual([2, 1, 2, 2])
  expect([...dataset.inputs.data.subarray(0, 4)].map((grey) => grey * 255)).toEqual([
    255,
    0,
    0,
    expect.closeTo(51, 4),
  ])
  expect([...dataset.targets.data]).toEqual([4, 7])
  expect(() => firstItems(images, 4)).toThrow(/4 or more items/)
})

it('makes the same labels wrong for the same seed, and each of them another digit', () => {
  const truth = Int32Array.from({ length: 1000 }, (_, i) => i % 10)
  const { labels, wrong } = corrupted(truth, 0.2, 1)
  expect(wrong.size).toBe(200)
  labels.forEach((label, i) => {
    expect(label !== truth[i]).toBe(wrong.has(i))
    expect(label >= 0 && label < 10).toBe(true)
  })
  expect(corrupted(truth, 0.2, 1).labels).toEqual(labels)
  expect(corrupted(truth, 0.2, 2).labels).not.toEqual(labels)
  // Every other digit takes its turn.
  expect(new Set([...wrong].map((i) => (labels[i]! - truth[i]! + 10) % 10))).toEqual(
    new Set([1, 2, 3, 4, 5, 6, 7, 8, 9]),
  )
})
