/** @file Derivatives of imported operators against central differences, over the backend tests. */
import { gradient } from '@beyondgrad/autograd'
import { parseTensor, type StoredTensor } from '@beyondgrad/onnx'
import {
  add,
  type AnyTensor,
  constantOf,
  evaluate,
  mul,
  type NDArray,
  referenceEngine,
  sizeOf,
  sum,
  type Tensor,
  tensor,
  where,
  isFinite,
} from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type ImportedModel, importOnnx, type ModelOutput } from '../src/index.ts'

interface Packed {
  readonly model: string
  readonly inputs: readonly string[]
}

const packed = Object.entries(
  JSON.parse(
    readFileSync(new URL('../../../fixtures/onnx-conformance.json', import.meta.url), 'utf8'),
  ) as Record<string, Packed>,
)

const engine = referenceEngine({ warn: () => undefined })
const step = 1e-5

/** Numbers between -1 and 1 without a pattern. */
const spread = (count: number, seed: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(7.3 * i + 1.7 * seed + 1))

/** One number of everything that a model gives; what is not finite does not count. */
function total(model: ImportedModel<ModelOutput>, inputs: readonly AnyTensor[]): Tensor | undefined {
  const named = Object.fromEntries(inputs.map((x, i) => [model.inputs[i]!.name, x]))
  const floats = Object.values(model.all(named)).filter(({ dtype }) => dtype === 'float32') as Tensor[]
  return floats
    .map((y, i) =>
      sum(mul(where(isFinite(y), y, 0), constantOf(spread(sizeOf(y.shape), i), y.shape, 'float32'))),
    )
    .reduce<Tensor | undefined>((a, b) => (a ? add(a, b) : b), undefined)
}

/** The slope along a direction, by the gradient, and by differences to both sides and to either; undefined where there is none. */
async function slopes({
  model: file,
  inputs,
}: Packed): Promise<readonly [exact: number, ...byDifferences: number[]] | undefined> {
  const model = await importOnnx<ModelOutput>(Buffer.from(file, 'base64'), { trainable: 'none' })
  const arrays = inputs.map((text) => parseTensor(Buffer.from(text, 'base64')))
  const varies = arrays.map(
    ({ dtype, data }, i) =>
      dtype === 'float32' &&
      data.length > 0 &&
      !model.known.has(model.inputs[i]!.name) &&
      (data as Float32Array).every(Number.isFinite),
  )
  const at = (distance: number): AnyTensor[] =>
    arrays.map((array, i) => (varies[i] ? moved(array, distance * step, i) : fixed(array)))
  const leaves = at(0)
  const value = total(model, leaves)
  if (value === undefined || !varies.includes(true)) return undefined
  const values = await evaluate(
    [-1, 0, 1].map((distance) => total(model, at(distance))!),
    { engine },
  )
  const [below, here, above] = values.map(({ data }) => data[0]!) as [number, number, number]
  const moving = leaves.filter((_, i) => varies[i])
  const slope = gradient(value, moving)
    .map((g, k) => sum(mul(g, directionOf(moving[k]!.shape, varies.flatMap((v, i) => (v ? [i] : []))[k]!))))
    .reduce(add)
  const { data } = await slope.read()
  return [data[0]!, (above - below) / (2 * step), (above - here) / step, (here - below) / step]
}

const directionOf = (shape: readonly number[], i: number): Tensor =>
  constantOf(spread(sizeOf(shape), i + 10), shape, 'float32')

function moved({ shape, data }: StoredTensor, by: number, i: number): Tensor {
  const direction = spread(data.length, i + 10)
  const values = Float64Array.from(data as Float32Array, (value, k) => value + by * direction[k]!)
  return tensor({ shape, dtype: 'float32', data: values } as unknown as NDArray)
}

const fixed = ({ shape, dtype, data }: StoredTensor): AnyTensor =>
  constantOf(data, shape, dtype === 'float64' ? 'float32' : dtype)

/** An operator that is refused, roots of negative numbers, and a jump at a place where there is an input. */
const without = ['test_quantizelinear', 'test_operator_sqrt', 'test_sign_model']

describe('derivatives of the backend tests', () => {
  it('equal central differences', { timeout: 120_000 }, async () => {
    const wrong: string[] = []
    let checked = 0
    for (const [name, each] of packed) {
      if (without.some((part) => name.includes(part))) continue
      const found = await slopes(each).catch((error: unknown) =>
        error instanceof Error ? error.message : 'error',
      )
      if (found === undefined) continue
      if (typeof found === 'string') {
        wrong.push(`${name}: ${found}`)
        continue
      }
      const [exact, near, before, after] = found as readonly [number, number, number, number]
      const size = Math.max(1, Math.abs(near))
      // A kink or a jump within reach.
      if (!(Math.abs(before - after) < 1e-2 * size)) continue
      checked++
      if (!(Math.abs(exact - near) < 1e-5 * size)) wrong.push(`${name}: ${exact} instead of ${near}`)
    }
    expect(wrong).toEqual([])
    expect(checked).toBeGreaterThan(250)
  })
})
