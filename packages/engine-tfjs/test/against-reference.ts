/** @file Runs the same expressions on a backend and on the reference engine, and compares. */
import {
  type AnyTensor,
  type Engine,
  evaluate,
  formatShape,
  isFloat,
  referenceEngine,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { expect } from 'vitest'

const reference = referenceEngine({ warn: () => undefined })

/** Computes all expressions on an engine and on the reference engine and expects equal results. */
export async function expectAgreement(
  engine: Engine,
  expressions: readonly AnyTensor[],
  tolerance = 1e-4,
): Promise<void> {
  const ours = await evaluate([...expressions], { engine })
  const theirs = await evaluate([...expressions], { engine: reference })
  expressions.forEach((expression, i) => {
    const name = `${expression.op.name} ${formatShape(expression.shape)}`
    const [found, expected] = [ours[i]!, theirs[i]!]
    expect(found.dtype).toBe(expression.dtype)
    expect(found.shape, name).toEqual(expected.shape)
    expect(found.data.length, name).toBe(expected.data.length)
    for (let at = 0; at < found.data.length; at++) {
      const [a, b] = [Number(found.data[at]), Number(expected.data[at])]
      // What is beyond single precision is infinite there.
      if (Object.is(a, b) || a === b || Math.fround(b) === a) continue
      const bound = isFloat(expression.dtype) ? tolerance * Math.max(1, Math.abs(b)) : 0
      if (!(Math.abs(a - b) <= bound)) expect.fail(`${name}: element ${at} is ${a} instead of ${b}`)
    }
  })
}

/** Reproducible numbers in [-2, 2): fractions, or whole numbers when many should be equal. */
export function numbers(shape: Shape, seed: number, whole = false): Tensor {
  let state = (seed ^ 0x9e3779b9) >>> 0
  const data = Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0
    const value = ((state >>> 8) / 2 ** 24) * 4 - 2
    return whole ? Math.round(value) : value
  })
  return tensor(data, { shape, dtype: 'float32' })
}

export const seeds: fc.Arbitrary<number> = fc.nat(1e6)

/** Shapes of up to eight axes, scalars and empty axes among them. */
export const shapes: fc.Arbitrary<number[]> = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 8 }),
)

/** A shape that broadcasts to the given one: axes become 1 or, from the left, are missing. */
export function broadcastable(shape: Shape): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.nat(shape.length), fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }))
    .map(([from, ones]) => shape.map((size, i) => (ones[i]! ? 1 : size)).slice(from))
}
