/** @file Runs the same expressions on this engine and on the reference engine, and compares. */
import {
  type AnyTensor,
  type DType,
  type Engine,
  evaluate,
  formatShape,
  type HostArray,
  referenceEngine,
  releaseExecutables,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { afterAll, expect } from 'vitest'
import { onnxruntime } from '../src/index.ts'

export const native: Engine = onnxruntime({ threads: 2, capacity: 4 })
const reference = referenceEngine({ warn: () => undefined })

afterAll(() => releaseExecutables(native))

export interface Tolerance {
  readonly relative?: number
  readonly absolute?: number
}

/** Computes all expressions in one run of each engine and expects equal results. */
export async function expectAgreement(
  expressions: readonly AnyTensor[],
  tolerance: Tolerance = {},
  engine: Engine = native,
): Promise<void> {
  const ours = await evaluate([...expressions], { engine })
  const theirs = await evaluate([...expressions], { engine: reference })
  expressions.forEach((expression, i) => {
    expect(ours[i]!.shape).toEqual(theirs[i]!.shape)
    expect(ours[i]!.dtype).toBe(expression.dtype)
    const name = `${expression.op.name} ${formatShape(expression.shape)}`
    expectClose(name, ours[i]!.data, theirs[i]!.data, expression.dtype, tolerance)
  })
}

function expectClose(
  name: string,
  ours: HostArray,
  theirs: HostArray,
  dtype: DType,
  { relative = 1e-5, absolute = 1e-5 }: Tolerance,
): void {
  expect(ours.length, name).toBe(theirs.length)
  const exact = dtype !== 'float32' && dtype !== 'float64'
  for (let i = 0; i < ours.length; i++) {
    // As numbers, bigints would lose what makes them differ.
    if (exact && ours[i] !== theirs[i])
      expect.fail(`${name}: element ${i} is ${ours[i]} instead of ${theirs[i]}`)
    const [a, b] = [Number(ours[i]), Number(theirs[i])]
    // Infinities differ from themselves by NaN; what is beyond single precision is infinite there.
    if (Object.is(a, b) || a === b || Math.fround(b) === a) continue
    const bound = absolute + relative * Math.abs(b)
    if (!(Math.abs(a - b) <= bound)) expect.fail(`${name}: element ${i} is ${a} instead of ${b}`)
  }
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

/** Shapes of any rank to 5, empty axes and scalars included. */
export const shapes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.constant(0)),
  { maxLength: 5 },
)

/** Shapes without empty axes. */
export const filledShapes: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 })

/** A shape that broadcasts to the given one: axes become 1 or, from the left, are missing. */
export function broadcastable(shape: Shape): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.nat(shape.length), fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }))
    .map(([from, ones]) => shape.map((size, i) => (ones[i]! ? 1 : size)).slice(from))
}

export const runs: fc.Parameters<unknown> = { numRuns: 60 }
