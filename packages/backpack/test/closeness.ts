/** @file When numbers of tests count as equal. */
import { expect } from 'vitest'

/** Equal up to `rtol` of the largest entry; what is that small altogether counts as zero. */
export function close(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  rtol = 1e-9,
  what = 'the result',
): void {
  expect(found.length, what).toBe(expected.length)
  const scale = Array.from(expected).reduce((largest, x) => Math.max(largest, Math.abs(x)), 1e-9)
  for (let i = 0; i < expected.length; i++) {
    // NaN is close to nothing.
    if (Math.abs(found[i]! - expected[i]!) <= rtol * scale) continue
    expect.fail(`${what}, entry ${i}: ${found[i]} instead of ${expected[i]}`)
  }
}
