/** @file Reads expressions and compares them with numbers that were written by hand. */
import { expect } from 'vitest'
import { type AnyTensor, evaluate, referenceEngine } from '../src/index.ts'

const engine = referenceEngine()

/** Nested numbers, as people write them; true and false are 1 and 0. */
export type Nest = number | boolean | readonly Nest[]

function flatten(nest: Nest): { readonly shape: number[]; readonly values: number[] } {
  if (!Array.isArray(nest)) return { shape: [], values: [Number(nest)] }
  const inner = (nest as readonly Nest[]).map(flatten)
  return { shape: [nest.length, ...(inner[0]?.shape ?? [])], values: inner.flatMap(({ values }) => values) }
}

/** @param shape where the nesting can't say it: behind an empty axis */
export async function expectValues(x: AnyTensor, expected: Nest, shape?: readonly number[]): Promise<void> {
  const flat = flatten(expected)
  expect(x.shape).toEqual(shape ?? flat.shape)
  const { value } = await evaluate({ value: x }, { engine })
  expect(value.shape).toEqual(x.shape)
  const found = Array.from(value.data as Float64Array, Number)
  expect(found.length).toBe(flat.values.length)
  found.forEach((number, i) => {
    const wanted = flat.values[i]!
    if (Number.isFinite(wanted)) expect(number, `element ${i}`).toBeCloseTo(wanted, 12)
    else expect(number, `element ${i}`).toBe(wanted)
  })
}
