/** @file Estimated diagonals, traces and determinants: within their stated errors, and exact where theory says so. */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { crossEntropy } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import type { Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  defineLinearOperator,
  diagonal,
  GGNOperator,
  logdet,
  trace,
  type TraceMethod,
} from '../../src/index.ts'
import { data, labels } from '../network.ts'
import { close } from '../closeness.ts'
import { diagonalOf, operatorOf, randomMatrix, semidefinite, traceOf } from './dense.ts'

const seeds = Array.from({ length: 60 }, (_, seed) => seed)
const size = 24
/** Eigenvalues that fall off slowly: every method has an error. */
const matrix = semidefinite('slow', size, size)
const operator = operatorOf(matrix, true)
const exact = traceOf(matrix)

const meanAndError = (samples: readonly number[]): { readonly mean: number; readonly spread: number } => {
  const mean = samples.reduce((a, b) => a + b, 0) / samples.length
  return { mean, spread: Math.sqrt(samples.reduce((s, x) => s + (x - mean) ** 2, 0) / (samples.length - 1)) }
}

describe.each(['hutchinson', 'hutch++', 'xtrace'] as const)('trace by %s', (method: TraceMethod) => {
  it('is unbiased, and knows its error', async () => {
    const found = await Promise.all(seeds.map((seed) => trace(operator, { method, matvecs: 12, seed })))
    const { mean, spread } = meanAndError(found.map(({ value }) => value))
    expect(Math.abs(mean - exact)).toBeLessThan((4 * spread) / Math.sqrt(seeds.length))
    expect(spread).toBeGreaterThan(0)
    const stated = Math.sqrt(
      found.reduce((s, { standardError }) => s + standardError! ** 2, 0) / seeds.length,
    )
    expect(stated / spread).toBeGreaterThan(0.5)
    expect(stated / spread).toBeLessThan(2)
    for (const { matvecs } of found) expect(matvecs).toBeLessThanOrEqual(12)
  })

  it('is a function of the seed', async () => {
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => trace(operator, { method, matvecs: 6, seed })),
    )
    expect(a).toEqual(b)
    expect(a!.value).not.toBe(c!.value)
  })

  it('of matrices that are not symmetric', async () => {
    const odd = randomMatrix('odd', size, size)
    const found = await Promise.all(
      seeds.map((seed) => trace(operatorOf(odd), { method, matvecs: 12, seed })),
    )
    const { mean, spread } = meanAndError(found.map(({ value }) => value))
    expect(Math.abs(mean - traceOf(odd))).toBeLessThan((4 * spread) / Math.sqrt(seeds.length))
  })

  it('of a matrix that is zero, or of size 0 or 1', async () => {
    const zero = operatorOf({ rows: 3, columns: 3, data: new Float64Array(9) }, true)
    expect((await trace(zero, { method })).value).toBe(0)
    const none = operatorOf({ rows: 0, columns: 0, data: new Float64Array(0) }, true)
    expect((await trace(none, { method })).value).toBe(0)
    const one = operatorOf({ rows: 1, columns: 1, data: Float64Array.of(3) }, true)
    expect((await trace(one, { method })).value).toBeCloseTo(3, 12)
  })
})

describe('traces are exact', () => {
  const low = semidefinite('low', size, 3)
  it.each([
    ['hutch++', 12],
    ['xtrace', 8],
  ] as const)('by %s for a rank below a part of the products', async (method, matvecs) => {
    for (const seed of [0, 1, 2]) {
      const { value, standardError } = await trace(operatorOf(low, true), { method, matvecs, seed })
      expect(value).toBeCloseTo(traceOf(low), 10)
      expect(standardError).toBeLessThan(1e-10)
    }
  })
  it.each(['hutch++', 'xtrace'] as const)(
    'by %s with as many products as it takes for all of the space',
    async (method) => {
      const { value } = await trace(operator, { method, matvecs: 3 * size })
      expect(value).toBeCloseTo(exact, 10)
    },
  )
  it('by hutchinson for a diagonal matrix', async () => {
    const plain = operatorOf({ rows: 3, columns: 3, data: Float64Array.of(1, 0, 0, 0, 2, 0, 0, 0, 4) }, true)
    expect((await trace(plain, { method: 'hutchinson', matvecs: 2 })).value).toBe(7)
  })
  it('column by column, for any', async () => {
    const { value, matvecs, method, standardError } = await trace(operator, { method: 'exact' })
    expect({ matvecs, method, standardError }).toEqual({
      matvecs: size,
      method: 'exact',
      standardError: undefined,
    })
    expect(value).toBeCloseTo(exact, 12)
    await expect(trace(operator, { method: 'exact', limit: 3 })).rejects.toThrow(
      /takes 24 products, and the limit is 3; use the method "hutchinson"/,
    )
  })
})

it('XTrace and Hutch++ need fewer products than Hutchinson where few eigenvalues are large', async () => {
  const steep = semidefinite('steep', size, 4, 1e-3)
  const errors: Record<string, number> = {}
  for (const method of ['hutchinson', 'hutch++', 'xtrace'] as const) {
    const found = await Promise.all(
      seeds.map((seed) => trace(operatorOf(steep, true), { method, matvecs: 18, seed })),
    )
    errors[method] = Math.sqrt(
      found.reduce((s, { value }) => s + (value - traceOf(steep)) ** 2, 0) / seeds.length,
    )
  }
  expect(errors['hutch++']).toBeLessThan(errors.hutchinson! / 100)
  expect(errors.xtrace).toBeLessThan(errors.hutchinson! / 100)
})

describe('the diagonal', () => {
  it('by Hutchinson, entry by entry within its error', async () => {
    const found = await Promise.all(seeds.map((seed) => diagonal(operator, { matvecs: 8, seed })))
    diagonalOf(matrix).forEach((expected, i) => {
      const { mean, spread } = meanAndError(found.map(({ value }) => value[i]!))
      expect(Math.abs(mean - expected)).toBeLessThan((4.5 * spread) / Math.sqrt(seeds.length))
      const stated = Math.sqrt(
        found.reduce((s, { standardError }) => s + standardError![i]! ** 2, 0) / seeds.length,
      )
      expect(stated / spread).toBeGreaterThan(0.6)
      expect(stated / spread).toBeLessThan(1.6)
    })
    expect((await diagonal(operator, { matvecs: 1 })).standardError).toBeUndefined()
  })
  it('column by column', async () => {
    const progress: number[] = []
    const { value, matvecs } = await diagonal(operator, {
      method: 'exact',
      onProgress: ({ done, total }) => progress.push(done / total!),
    })
    close(value, diagonalOf(matrix), 1e-14)
    expect(matvecs).toBe(size)
    expect(progress.at(-1)).toBe(1)
  })
})

describe('log det by Lanczos quadrature', () => {
  const logOf = (m: typeof matrix): number => {
    // L Lᵀ, by hand.
    const a = m.data.slice()
    let sum = 0
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < i; j++)
        for (let r = i; r < size; r++) a[r * size + i]! -= a[r * size + j]! * a[i * size + j]!
      const root = Math.sqrt(a[i * size + i]!)
      sum += 2 * Math.log(root)
      for (let r = i; r < size; r++) a[r * size + i]! /= root
    }
    return sum
  }
  it('is unbiased, and within its error', async () => {
    const damped = semidefinite('slow', size, size, 0.1)
    const found = await Promise.all(
      seeds.slice(0, 20).map((seed) => logdet(operatorOf(damped, true), { vectors: 4, seed })),
    )
    const { mean, spread } = meanAndError(found.map(({ value }) => value))
    expect(Math.abs(mean - logOf(damped))).toBeLessThan((4 * spread) / Math.sqrt(20))
    const stated = Math.sqrt(found.reduce((s, { standardError }) => s + standardError! ** 2, 0) / 20)
    expect(stated / spread).toBeGreaterThan(0.4)
    expect(stated / spread).toBeLessThan(2.5)
  })
  it('is exact for multiples of the identity', async () => {
    const plain = defineLinearOperator({
      name: '2 I',
      shape: [7, 7],
      symmetric: true,
      matvec: (v) => v.map((x) => 2 * x),
    })
    const { value, matvecs, method } = await logdet(plain, { vectors: 2 })
    expect(value).toBeCloseTo(7 * Math.log(2), 12)
    expect({ matvecs, method }).toEqual({ matvecs: 2, method: 'lanczos' })
  })
  it('refuses what is not positive definite, or not symmetric', async () => {
    const low = operatorOf(semidefinite('low', size, 3), true)
    await expect(logdet(low)).rejects.toThrow(
      /dense is not positive definite: an eigenvalue is at most .*; damp it first/,
    )
    await expect(logdet(operatorOf(matrix))).rejects.toThrow(/must be symmetric, and is not said to be/)
    await expect(logdet(operator, { method: 'exact' })).rejects.toThrow(
      /is not known exactly; use the method "lanczos"/,
    )
  })
})

describe('on single precision', () => {
  const net = Sequential(Linear(4, 6, { seed: 1 }), Tanh(), Linear(6, 3, { seed: 2 }))
  const loss = ({ x, y }: { readonly x: Tensor; readonly y: Tensor<'int32'> }): Tensor =>
    crossEntropy(net(x), y)
  const batch = { x: data('x', [5, 4]), y: labels(5, 3) }
  it.each(['hutchinson', 'hutch++', 'xtrace'] as const)('%s is the trace up to its error', async (method) => {
    const ggn = await GGNOperator({ loss, data: batch, engine: onnxruntime() })
    const { value } = await trace(ggn)
    const found = await trace(ggn, { method, matvecs: 24, seed: 3 })
    expect(Math.abs(found.value - value)).toBeLessThan(5 * found.standardError! + 1e-4 * value)
  })
  it('log det', async () => {
    const make = (engine?: ReturnType<typeof onnxruntime>): Promise<number> =>
      GGNOperator({ loss, data: batch, ...(engine && { engine }) })
        .then((ggn) => logdet(ggn.damped(0.1), { vectors: 3, steps: 51 }))
        .then(({ value }) => value)
    const [native, reference] = [await make(onnxruntime()), await make()]
    expect(Math.abs(native / reference - 1)).toBeLessThan(1e-4)
  })
})

describe('one clear sentence for', () => {
  const wide = operatorOf(randomMatrix('wide', 2, 3))
  const broken = defineLinearOperator({
    name: 'broken',
    shape: [5, 5],
    symmetric: true,
    matvec: () => Array(5).fill(NaN) as number[],
  })
  it.each([
    ['a trace of what is not square', () => trace(wide), /trace: dense is \[2, 3\] and must be square/],
    [
      'a diagonal of what is not square',
      () => diagonal(wide),
      /diagonal: dense is \[2, 3\] and must be square/,
    ],
    [
      'too few products',
      () => trace(operator, { method: 'hutch++', matvecs: 2 }),
      /trace \(hutch\+\+\): matvecs must be an integer of at least 3, not 2/,
    ],
    [
      'a method that is none',
      () => trace(operator, { method: 'other' as never }),
      /method is "exact", "hutchinson", "hutch\+\+" or "xtrace", not "other"/,
    ],
    [
      'a diagonal method that is none',
      () => diagonal(operator, { method: 'other' as never }),
      /method is "exact" or "hutchinson", not "other"/,
    ],
    [
      'a seed that is none',
      () => trace(operator, { seed: 0.5 }),
      /the seed must be an integer of at most 32 bits, not 0.5/,
    ],
    ['products that are not finite', () => trace(broken), /trace: a product of broken is not finite/],
    [
      'products that are not finite, of log det',
      () => logdet(broken),
      /logdet: a product of broken is not finite/,
    ],
  ])('%s', async (_what, run, message) => {
    await expect(run()).rejects.toThrow(message)
  })
  it('a signal', async () => {
    const controller = new AbortController()
    controller.abort()
    await expect(trace(operator, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
    await expect(logdet(operator, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
  })
})
