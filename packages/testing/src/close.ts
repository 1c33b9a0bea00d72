/** @file When two arrays of numbers count as equal, and the sentence about it when they don't. */
import { type Shape, stridesOf } from '@beyondgrad/tensor'

/** |found − expected| ≤ rtol · |expected| + atol · max(1, largest |expected|). */
export interface Tolerance {
  readonly rtol?: number | undefined
  readonly atol?: number | undefined
}

export type NumberArray = ArrayLike<number> | ArrayLike<bigint>

/** The first element that is off, as a sentence; undefined if all agree. NaN equals NaN. */
function difference(
  found: NumberArray,
  expected: NumberArray,
  shape: Shape,
  { rtol = 0, atol = 0 }: Tolerance,
): string | undefined {
  if (found.length !== expected.length) return `${found.length} elements instead of ${expected.length}`
  let scale = 1
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(Number(expected[i]))
    if (size > scale && size < Infinity) scale = size
  }
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(found[i]), Number(expected[i])]
    // Large integers that differ may be the same as numbers.
    const differ = found[i] !== expected[i] && typeof found[i] === typeof expected[i]
    if (typeof found[i] === 'bigint' && differ && rtol === 0 && atol === 0) {
      return `element [${position(i, shape).join(', ')}] is ${found[i]} instead of ${expected[i]}`
    }
    if (a === b || (a !== a && b !== b)) continue
    if (Math.abs(a - b) <= rtol * Math.abs(b) + atol * scale) continue
    return `element [${position(i, shape).join(', ')}] is ${a} instead of ${b}`
  }
  return undefined
}

/** Throws the sentence, if there is one, with what was compared in front. */
export function demandClose(
  what: string,
  found: NumberArray,
  expected: NumberArray,
  shape: Shape,
  tolerance: Tolerance,
): void {
  const wrong = difference(found, expected, shape, tolerance)
  if (wrong !== undefined) throw new Error(`${what}: ${wrong}`)
}

function position(index: number, shape: Shape): number[] {
  return stridesOf(shape).map((stride, axis) => Math.floor(index / stride) % shape[axis]!)
}
