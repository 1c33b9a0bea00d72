/** @file Every route to the largest eigenvalues leads to the same ones, degenerate and empty ones included. */
import { crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear } from '@beyondgrad/nn'
import { referenceEngine } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { largestPairs } from '../src/eigen/block-lanczos.ts'
import {
  directionalDampedNewton,
  directionalDerivatives,
  type DirectionOptions,
  eigh,
  ggnEigenpairs,
  ggnSpectrum,
  type Route,
} from '../src/index.ts'
import { data, labels, networks } from './networks.ts'

const engine = referenceEngine()
const routes = ['gram', 'parameters', 'lanczos'] as const satisfies readonly Route[]

describe.each(networks)('$name', ({ loss }) => {
  const ways: readonly { readonly how: string; readonly options: DirectionOptions }[] = [
    { how: 'all', options: {} },
    { how: 'layer by layer', options: { groups: 'layer' } },
    { how: 'of some samples, one of them twice', options: { curvatureSamples: [2, 0, 2] } },
    { how: 'by drawn columns', options: { columns: 2, seed: 5 } },
  ]
  it.each(ways)('three routes, one result: $how', async ({ options }) => {
    const top = 3
    const [gram, ...others] = await Promise.all(
      routes.map((route) =>
        directionalDerivatives(loss('mean'), { ...options, engine, route, criterion: { top } }),
      ),
    )
    for (const [i, other] of others.entries()) {
      expect(other.loss).toBeCloseTo(gram!.loss, 12)
      for (const [g, group] of other.groups.entries()) {
        const expected = gram!.groups[g]!
        expect(expected.route).toBe('gram')
        expect(group.route).toBe(routes[i + 1])
        expect(group.dimension).toBe(expected.dimension)
        const largest = expected.values.at(-1)!
        expect(group.values.length).toBe(expected.values.length)
        group.values.forEach((x, k) => expect(Math.abs(x - expected.values[k]!) / largest).toBeLessThan(1e-8))
        // Directions of equal eigenvalues are any basis of their space; the others are the same.
        const isAlone = (k: number): boolean =>
          expected.eigenvalues.every(
            (x, place) => place === expected.indices[k] || Math.abs(x - expected.values[k]!) > 1e-4 * largest,
          )
        for (const what of ['gammas', 'lambdas'] as const) {
          const scale = Math.max(...expected[what].data.map(Math.abs))
          group[what].data.forEach((x, at) => {
            if (!isAlone(at % expected.values.length)) return
            expect(Math.abs(x - expected[what].data[at]!) / scale, what).toBeLessThan(1e-3)
          })
        }
      }
    }
  })

  it('steps and natively, too', async () => {
    const options = { criterion: { top: 2 }, damping: 0.1 }
    const [ours, native] = [
      await directionalDampedNewton(loss('sum'), { ...options, engine, route: 'gram' }),
      await directionalDampedNewton(loss('sum'), { ...options, engine: onnxruntime(), route: 'lanczos' }),
    ]
    for (const [parameter, { data: step }] of ours.step) {
      const scale = Math.max(1e-3, ...step.map(Math.abs))
      const found = native.step.get(parameter.name).data
      step.forEach((x, i) => expect(Math.abs(found[i]! - x) / scale).toBeLessThan(1e-2))
    }
  })
})

describe('the route that nobody chose', () => {
  it('is Lanczos for a few of very many, and says so', async () => {
    // 2,700 columns for 4,160 parameters, and a product is next to nothing.
    const many = crossEntropy(Linear(64, 64, { seed: 1 })(data('x', [48, 64])), labels(48, 64))
    const { groups } = await ggnEigenpairs(many, { engine: onnxruntime(), criterion: { top: 1 } })
    expect(groups[0]!.route).toBe('lanczos')
    expect(groups[0]!.eigenvalues).toHaveLength(1)
    const all = await ggnEigenpairs(many, {
      engine: onnxruntime(),
      criterion: { top: 1 },
      groups: [['bias']],
      route: 'parameters',
    })
    expect(all.groups[0]!.eigenvalues).toHaveLength(64)
    expect(all.groups[0]!.route).toBe('parameters')
  })

  it('is a matrix where all are looked at, or few there are', async () => {
    const few = crossEntropy(Linear(3, 3, { seed: 1 })(data('x', [4, 3])), labels(4, 3))
    expect((await ggnSpectrum(few, { engine })).groups[0]!.route).toBe('gram')
    expect((await ggnEigenpairs(few, { engine, criterion: { top: 1 } })).groups[0]!.route).toBe('gram')
    expect((await ggnSpectrum(few, { engine, groups: 'parameter' })).groups[1]!.route).toBe('parameters')
    expect((await ggnSpectrum(few, { engine, route: 'parameters' })).groups[0]!.eigenvalues).toHaveLength(12)
  })

  it('routes that lead nowhere are refused', async () => {
    const few = mseLoss(Linear(3, 2, { seed: 1 })(data('x', [4, 3])), data('y', [4, 2]))
    await expect(ggnSpectrum(few, { engine, route: 'lanczos' as never })).rejects.toThrow(
      'Lanczos finds the largest eigenvalues only, and a spectrum is all of them',
    )
    await expect(ggnEigenpairs(few, { engine, route: 'lanczos' })).rejects.toThrow('looks at all of them')
    await expect(ggnEigenpairs(few, { engine, route: 'best' as never })).rejects.toThrow(
      'route is "gram", "parameters" or "lanczos", not "best"',
    )
  })

  it('equal eigenvalues are all found, those of zero have no direction', async () => {
    const flat = mseLoss(Linear(2, 3, { seed: 1 })(data('x', [4, 2])), data('y', [4, 3]))
    const options = { engine, route: 'lanczos', groups: [['bias']], criterion: { top: 9 } } as const
    const { groups } = await ggnEigenpairs(flat, options)
    expect([...groups[0]!.values].map((x) => x.toFixed(9))).toEqual(Array(3).fill((2 / 3).toFixed(9)))
    const zero = mseLoss(Linear(2, 3, { seed: 1 })(data('x', [4, 2], 0)), data('y', [4, 3]))
    const none = await ggnEigenpairs(zero, { ...options, groups: [['weight']] })
    expect(none.groups[0]!.indices).toEqual([])
    const certain = crossEntropy(Linear(3, 1, { seed: 1 })(data('x', [2, 3])), labels(2, 1))
    expect(
      (await ggnEigenpairs(certain, { engine, route: 'lanczos', criterion: { top: 1 } })).groups[0]!.indices,
    ).toEqual([])
  })
})

it('block Lanczos agrees with eigh on random, clustered and singular matrices', async () => {
  const matrices = fc.record({
    n: fc.integer({ min: 1, max: 240 }),
    rank: fc.integer({ min: 0, max: 240 }),
    count: fc.integer({ min: 1, max: 6 }),
    decay: fc.constantFrom(1, 0.5, 0.97),
    seed: fc.integer({ min: 0, max: 999 }),
  })
  await fc.assert(
    fc.asyncProperty(matrices, async ({ n, rank, count, decay, seed }) => {
      const r = Math.min(n, rank)
      const factor = Array.from({ length: r }, (_, i) =>
        Float64Array.from({ length: n }, (__, j) => decay ** i * Math.sin(seed + i * 91.7 + j * (i + 1.3))),
      )
      const times = (x: Float64Array): Float64Array => {
        const result = new Float64Array(n)
        for (const row of factor) {
          const along = row.reduce((sum, value, j) => sum + value * x[j]!, 0)
          row.forEach((value, j) => (result[j]! += along * value))
        }
        return result
      }
      const dense = new Float64Array(n * n)
      for (let j = 0; j < n; j++)
        dense.set(times(Float64Array.from({ length: n }, (_, i) => Number(i === j))), j * n)
      const expected = eigh(dense.slice(), n).values
      const found = await largestPairs((xs) => Promise.resolve(xs.map(times)), n, count, {
        tolerance: 1e-9,
        seed,
      })
      const kept = Math.min(count, n)
      expect(found.values).toHaveLength(kept)
      const largest = expected.at(-1)!
      found.values.forEach((value, k) => {
        expect(Math.abs(value - expected[n - kept + k]!)).toBeLessThanOrEqual(1e-9 * largest)
        const image = times(found.vectors[k]!)
        const rest = Math.hypot(...image.map((x, i) => x - value * found.vectors[k]![i]!))
        expect(rest).toBeLessThanOrEqual(1e-8 * largest)
        found.vectors.forEach((other, l) => {
          const inner = other.reduce((sum, x, i) => sum + x * found.vectors[k]![i]!, 0)
          expect(inner).toBeCloseTo(k === l ? 1 : 0, 8)
        })
      })
    }),
    { numRuns: 30, examples: [[{ n: 240, rank: 239, count: 5, decay: 1, seed: 403 }]] },
  )
})
