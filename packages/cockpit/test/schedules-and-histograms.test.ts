/** @file Schedules, the identities between instruments, and how well a sample of entries stands for all. */
import { crossEntropy } from '@beyondgrad/autograd'
import { Conv2d, Embedding, Flatten, LayerNorm, Linear, ReLU, Sequential } from '@beyondgrad/nn'
import { type AnyTensor, referenceEngine, tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as cockpit from '../src/index.ts'
import { binOf, edgesOf } from '../src/instruments/histogram.ts'
import { symmetricEigenvalues } from '../src/instruments/small-eigenvalues.ts'
import { runSteps } from './train.ts'

const engine = referenceEngine()

describe('schedules', () => {
  it('linear, and logarithmic as Cockpit counts', () => {
    const due = (schedule: cockpit.Schedule, until: number): number[] =>
      Array.from({ length: until }, (_, step) => step - 5).filter(schedule)
    expect(due(cockpit.linear(3, 1), 20)).toEqual([1, 4, 7, 10, 13])
    expect(due(cockpit.logarithmic(0, 3, { points: 10 }), 1010)).toEqual([
      0, 1, 2, 4, 10, 21, 46, 100, 215, 464, 1000,
    ])
    expect(() => cockpit.linear(1.5)).toThrow(/whole number/)
    expect(() => cockpit.logarithmic(3, 1)).toThrow(/start ≤ end/)
  })
})

describe('bins', () => {
  it('every number is in the bin whose ends are around it', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (value, count) => {
          const bins = { count, range: [-2, 2] as const }
          const edges = edgesOf(bins)
          const bin = binOf(value, count, -2, 2)
          const inside = Math.min(2, Math.max(-2, value))
          expect(edges[bin]!).toBeLessThanOrEqual(inside + 1e-12)
          expect(edges[bin + 1]!).toBeGreaterThanOrEqual(inside - 1e-12)
        },
      ),
    )
  })

  it('eigenvalues of a small matrix keep trace and squares', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.infiniteStream(fc.double({ min: -2, max: 2, noNaN: true })),
        (size, numbers) => {
          const half = Array.from({ length: size }, () =>
            Array.from({ length: size }, () => numbers.next().value as number),
          )
          const matrix = half.flatMap((row, i) => row.map((x, j) => x + half[j]![i]!))
          const values = symmetricEigenvalues(matrix, size)
          const trace = half.reduce((total, row, i) => total + 2 * row[i]!, 0)
          expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(trace, 9)
          expect(values.reduce((a, b) => a + b * b, 0)).toBeCloseTo(
            matrix.reduce((a, b) => a + b * b, 0),
            8,
          )
        },
      ),
    )
  })
})

interface Histogram {
  readonly counts: number[]
  readonly edges: number[]
  readonly sampled?: number
  readonly error?: number
}

const images = (samples: number): AnyTensor =>
  tensor(
    Float32Array.from({ length: samples * 2 * 36 }, (_, i) => Math.sin(3 * i) + Math.cos(i / 7)),
    { shape: [samples, 2, 6, 6], dtype: 'float32' },
  )

const tokens = (samples: number): AnyTensor =>
  tensor(
    Int32Array.from({ length: samples * 5 }, (_, i) => (i * i) % 11),
    { shape: [samples, 5], dtype: 'int32' },
  )

const labels = (samples: number): AnyTensor =>
  tensor(
    Int32Array.from({ length: samples }, (_, i) => (i * i + 1) % 3),
    { shape: [samples], dtype: 'int32' },
  )

/** Convolutions, normalisation, embeddings: entries come from factors, from few samples, or from products made in chunks. */
const networks = {
  convolutions: {
    model: () =>
      Sequential(
        Conv2d(2, 8, 3, { padding: 1, seed: 1 }),
        ReLU(),
        Conv2d(8, 8, 3, { seed: 2 }),
        Flatten(),
        Linear(128, 3, { seed: 3 }),
      ),
    inputs: images,
  },
  embeddings: {
    model: () =>
      Sequential(
        Embedding(11, 12, { seed: 1 }) as never,
        LayerNorm(12),
        Flatten(),
        Linear(60, 3, { seed: 2 }),
      ),
    inputs: tokens,
  },
}

async function histogramsOf(
  name: keyof typeof networks,
  options: cockpit.GradHist1dOptions,
): Promise<{ one: Histogram; two: { counts: number[][] } }> {
  const { model, inputs } = networks[name]
  const samples = 48
  const steps = await runSteps({
    model: model(),
    loss: crossEntropy as never,
    engine,
    learningRate: 0.1,
    momentum: 0,
    batches: [{ inputs: inputs(samples) as never, targets: labels(samples) }],
    cockpit: {
      instruments: [
        cockpit.GradHist1d(options),
        cockpit.GradHist2d({
          ...options,
          bins: [options.bins!, 7],
          gradientRange: options.range!,
          parameterRange: [-1, 1],
        }),
      ],
    },
  })
  const { GradHist1d, GradHist2d } = steps.get(0)!.quantities
  return { one: GradHist1d as never, two: GradHist2d as never }
}

describe.each(['convolutions', 'embeddings'] as const)('histograms of %s', (name) => {
  const options = { bins: 12, range: [-0.6, 0.6] as const }

  it('add up to all entries, and rows of the second are the first', async () => {
    const exact = await histogramsOf(name, { ...options, exact: true })
    const total = exact.one.counts.reduce((a, b) => a + b, 0)
    const all = await histogramsOf(name, { ...options, entries: total })
    expect(all.one.counts).toEqual(exact.one.counts)
    expect(all.two).toEqual(exact.two)
    expect(exact.two.counts.map((row) => row.reduce((a, b) => a + b, 0))).toEqual(exact.one.counts)
    expect(all.one.sampled).toBeUndefined()
  })

  it('add up over parameters', async () => {
    for (const exact of [true, false]) {
      const { one, two } = await histogramsOf(name, {
        ...options,
        exact,
        perParameter: true,
        ...(!exact && { entries: 1e6 }),
      })
      type Own<T> = { readonly parameters: Readonly<Record<string, { readonly counts: readonly T[] }>> }
      const own = Object.entries((one as Histogram & Own<number>).parameters)
      const sums = one.counts.map((_, bin) => own.reduce((sum, [, { counts }]) => sum + counts[bin]!, 0))
      expect(sums).toEqual(one.counts)
      const rows = (two as typeof two & Own<readonly number[]>).parameters
      for (const [parameter, { counts }] of own)
        expect(rows[parameter]!.counts.map((row) => row.reduce((a, b) => a + b, 0))).toEqual(counts)
    }
  })

  it('of a sample stand for all, as far as they say', async () => {
    const exact = await histogramsOf(name, { ...options, exact: true })
    const some = await histogramsOf(name, { ...options, entries: 4096 })
    const total = exact.one.counts.reduce((a, b) => a + b, 0)
    expect(some.one.sampled).toBeGreaterThan(4000)
    expect(some.one.error).toBeCloseTo(Math.sqrt(99 / some.one.sampled!), 12)
    some.one.counts.forEach((count, bin) => {
      const share = exact.one.counts[bin]! / total
      const error = Math.sqrt((share * (1 - share)) / some.one.sampled!)
      expect(Math.abs(count / total - share), `bin ${bin}`).toBeLessThan(5 * error + 2 / some.one.sampled!)
    })
  })
})

describe('identities', () => {
  it('hold between instruments', async () => {
    const { model, inputs } = networks.convolutions
    const batches = [0, 1].map(() => ({ inputs: inputs(9) as never, targets: labels(9) }))
    const steps = await runSteps({
      model: model(),
      loss: crossEntropy as never,
      engine,
      learningRate: 0.1,
      momentum: 0,
      batches,
      cockpit: {
        instruments: [
          cockpit.NormTest(),
          cockpit.InnerTest(),
          cockpit.OrthoTest(),
          cockpit.GradNorm(),
          cockpit.UpdateSize(),
          cockpit.EarlyStopping(),
        ],
      },
    })
    for (const { quantities } of steps.values()) {
      const { NormTest, InnerTest, OrthoTest, GradNorm, UpdateSize, EarlyStopping } = quantities as Record<
        string,
        number
      >
      expect(NormTest! ** 2).toBeCloseTo(InnerTest! ** 2 + OrthoTest! ** 2, 9)
      for (const [name, norm] of Object.entries<number>(GradNorm as never)) {
        expect((UpdateSize as never as Record<string, number>)[name]).toBeCloseTo(0.1 * norm, 12)
      }
      expect(EarlyStopping).toBeLessThanOrEqual(1)
    }
  })
})

describe('a log of Cockpit', () => {
  it('is read as a run', () => {
    const text = `{"0": {"Loss": 1.4, "GradNorm": [0.1, NaN], "GradHist1d": {"hist": {"__ndarray__": [1.0, 2.0], "dtype": "float32", "shape": [2]},
      "edges": {"__ndarray__": [-1, 0, 1], "dtype": "float32", "shape": [3]}}, "learning_rate": 0.1, "epoch_count": 0},
      "10": {"Loss": -Infinity, "Alpha": 0.64}}`
    const run = cockpit.parseCockpit(text, { parameters: ['a', 'b'] })
    expect(run.steps.map(({ step }) => step)).toEqual([0, 10])
    expect(run.steps[0]!.quantities).toEqual({
      Loss: 1.4,
      GradNorm: { a: 0.1, b: NaN },
      GradHist1d: { counts: [1, 2], edges: [-1, 0, 1] },
    })
    expect(cockpit.seriesOf(run, 'Loss').values).toEqual([1.4, -Infinity])
    expect(run.notes[0]!.values).toEqual({ learning_rate: 0.1, epoch_count: 0 })
    expect(() => cockpit.parseCockpit('{')).toThrow(/no log of Cockpit/)
    expect(() => cockpit.parseCockpit(text, { parameters: ['a'] })).toThrow(/2 parameters, but 1/)
  })
})
