/** @file Quantities of some of the samples: those of the whole batch, of which rows are taken. */
import { accumulate, backward, type Extension, explain, type ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, evaluate, type NDArray, referenceEngine, type Tensor } from '@beyondgrad/tensor'
import { checkExtension, type Definition, definitions } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  BatchDiagGGN,
  BatchDiagGGNMC,
  BatchDiagHessian,
  BatchGradient,
  BatchJacobianL2,
  BatchL2,
  DiagEmpiricalFisher,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  GradientGram,
  SqrtGGN,
  SqrtGGNMC,
  type SubsampleOptions,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { networks } from './networks.ts'

const subsample = [3, 0, 3]
const samples = 4
type Quantity = (options: SubsampleOptions) => Extension<ParameterMap<Tensor>>

/** Rows of every sample, by brute force, of the chosen ones. */
const rowsOf =
  (definition: Definition): ((...at: Parameters<Definition>) => Promise<Float64Array[]>) =>
  async (at, parameter) => {
    const all = await definition(at, parameter)
    const size = all.length / samples
    return subsample.map((n) => all.slice(n * size, (n + 1) * size))
  }

const gradients = rowsOf(definitions['batch-gradient'])
const diagonals = rowsOf(definitions['batch-diag-ggn'])
const added = (rows: readonly Float64Array[]): Float64Array =>
  Float64Array.from(rows[0]!, (_, i) => rows.reduce((total, row) => total + row[i]!, 0))
const joined = (rows: readonly Float64Array[]): Float64Array =>
  Float64Array.from(rows.flatMap((row) => [...row]))

const dense: Readonly<Record<string, readonly [Quantity, Definition]>> = {
  BatchGradient: [BatchGradient, async (...at) => joined(await gradients(...at))],
  BatchL2: [BatchL2, async (...at) => joined(await rowsOf(definitions['batch-l2'])(...at))],
  SumGradSquared: [
    SumGradSquared,
    async (...at) => added((await gradients(...at)).map((g) => g.map((x) => x * x))),
  ],
  Variance: [
    Variance,
    async (...at) => {
      const rows = await gradients(...at)
      const mean = added(rows).map((x) => x / rows.length)
      return added(rows.map((g) => g.map((x, i) => (x - mean[i]!) ** 2 / rows.length)))
    },
  ],
  GradientGram: [
    GradientGram,
    async (...at) => {
      const rows = await gradients(...at)
      return Float64Array.from(
        rows.flatMap((a) => rows.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0))),
      )
    },
  ],
  DiagGGN: [DiagGGN, async (...at) => added(await diagonals(...at))],
  BatchDiagGGN: [BatchDiagGGN, async (...at) => joined(await diagonals(...at))],
}

describe.each(networks)('$name', ({ problem, indefinite = false }) => {
  it.each(Object.keys(dense))('%s, by brute force', async (name) => {
    const [quantity, definition] = dense[name]!
    await checkExtension(quantity({ subsample }), { ...problem(samples), definition })
  })

  it('the others, by rows of the whole', async () => {
    const { model, loss, inputs, targets } = problem(samples)
    const whole = loss(model(inputs), targets)
    const pairs: Readonly<Record<string, readonly [Quantity, Quantity, 'rows' | 'sum' | 'columns']>> = {
      ...(!indefinite && {
        SqrtGGN: [SqrtGGN, SqrtGGN, 'columns'],
        SqrtGGNMC: [
          (o) => SqrtGGNMC({ samples: 2, ...o }),
          (o) => SqrtGGNMC({ samples: 2, ...o }),
          'columns',
        ],
        BatchDiagGGNMC: [BatchDiagGGNMC, BatchDiagGGNMC, 'rows'],
        DiagGGNMC: [DiagGGNMC, BatchDiagGGNMC, 'sum'],
      }),
      BatchDiagHessian: [BatchDiagHessian, BatchDiagHessian, 'rows'],
      DiagHessian: [DiagHessian, BatchDiagHessian, 'sum'],
      BatchJacobianL2: [BatchJacobianL2, BatchJacobianL2, 'rows'],
    }
    for (const [name, [some, all, how]] of Object.entries(pairs)) {
      if (explain(whole, { all: all({}) }).quantities[0]!.status === 'impossible') continue
      const results = backward(whole, { some: some({ subsample }), all: all({}) })
      const { some: found, all: rows } = await evaluate(results, { engine: referenceEngine() })
      for (const [parameter, array] of found) {
        const expected = taken(rows.get(parameter), how)
        expect(array.data.length, name).toBe(expected.length)
        const scale = Math.max(1e-30, ...expected.map(Math.abs))
        array.data.forEach((x, i) => expect(Math.abs(x - expected[i]!) / scale, name).toBeLessThan(1e-11))
      }
    }
  })
})

function taken({ data, shape }: NDArray, how: 'rows' | 'sum' | 'columns'): number[] {
  const columns = how === 'columns' ? shape[0]! : 1
  const size = data.length / samples / columns
  const picked = Array.from({ length: columns }, (_, v) =>
    subsample.map((n) => Array.from(data.subarray((v * samples + n) * size, (v * samples + n + 1) * size))),
  )
  if (how !== 'sum') return picked.flat(2)
  return Array.from({ length: size }, (_, i) => picked[0]!.reduce((total, row) => total + row[i]!, 0))
}

describe('subsample', () => {
  const { model, loss, inputs, targets } = networks[0]!.problem(samples)
  const whole = loss(model(inputs), targets)

  it('refuses indices that are none', () => {
    for (const wrong of [[], [-1], [0.5], [NaN], 'all' as never]) {
      expect(() => BatchL2({ subsample: wrong })).toThrow(
        /BatchL2: subsample is a list of at least one index/,
      )
    }
    expect(() => backward(whole, { l2: BatchL2({ subsample: [1, 4] }) })).toThrow(
      'ofSamples: there is no sample 4 in a batch of 4; they are counted from 0 to 3',
    )
    expect(() => backward(whole, { ggn: DiagGGN({ subsample: [9] }) })).toThrow(BeyondgradError)
  })

  it('tells apart quantities of other samples, and takes those of the same for one', () => {
    const results = backward(whole, {
      a: BatchL2({ subsample: [0, 1] }),
      b: BatchL2({ subsample: [0, 1] }),
      c: BatchL2({ subsample: [1, 0] }),
      d: BatchL2(),
    })
    expect(results.b).toBe(results.a)
    expect(results.c).not.toBe(results.a)
    expect(results.d).not.toBe(results.a)
  })

  it('is of one batch, and refused for many', async () => {
    await expect(accumulate({ l2: BatchL2({ subsample: [0] }) }, [], { loss: () => whole })).rejects.toThrow(
      /"batch-l2" says nothing of how the results of batches combine/,
    )
  })

  it('scales the empirical Fisher diagonal as the whole batch', async () => {
    const all = Array.from({ length: samples }, (_, n) => n)
    const results = backward(whole, {
      whole: DiagEmpiricalFisher(),
      parts: DiagEmpiricalFisher({ subsample: all }),
    })
    const found = await evaluate(results, { engine: referenceEngine() })
    for (const [parameter, { data }] of found.whole) {
      found.parts.get(parameter).data.forEach((x, i) => expect(x).toBeCloseTo(data[i]!, 12))
    }
  })
})
