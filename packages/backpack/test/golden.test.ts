import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { referenceEngine } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { allGoldens, compareGolden } from './golden-comparison.ts'

const engines = [
  { name: 'reference engine', engine: referenceEngine(), rtol: 1e-8 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
]

describe.each(engines)('goldens on the $name', ({ engine, rtol }) => {
  it.each(allGoldens())('$name', async ({ read }) => {
    const compared = await compareGolden(read(), engine, rtol)
    expect(compared.length).toBeGreaterThan(1)
    expect(compared.filter(({ worst }) => !(worst < 1))).toEqual([])
  })
})
