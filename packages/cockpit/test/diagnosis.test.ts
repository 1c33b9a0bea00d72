/** @file The diagnosis of runs made by hand: what logs may hold, divergence, step length, losses that stand still, and rules of one's own. */
import { describe, expect, it } from 'vitest'
import { defineRule, diagnose, type LoggedValue, parseCockpit, type StepLine } from '../src/index.ts'
import { names, runOf, wave } from './hand-made-run.ts'

type Quantities = StepLine['quantities']

describe('what a log may hold', () => {
  it('is nothing to say where there is nothing', () => {
    expect(diagnose({ header: undefined, steps: [], notes: [] })).toEqual([])
    expect(names(runOf(1, () => ({ Loss: 1 })))).toEqual([])
    expect(names(runOf(200, () => ({})))).toEqual([])
  })

  it('is odd values, which no rule takes amiss', () => {
    const odd: readonly LoggedValue[] = [
      NaN,
      Infinity,
      [],
      {},
      [NaN],
      { a: NaN },
      { a: { b: [1] } },
      null as never,
    ]
    const all = ['Loss', 'Alpha', 'GradNorm', 'UpdateSize', 'Distance', 'NormTest', 'GradHist1d', 'HessMaxEV']
    for (const value of odd)
      for (const many of [1, 30])
        expect(() =>
          diagnose(runOf(many, () => Object.fromEntries(all.map((name) => [name, value])))),
        ).not.toThrow()
  })

  it('is what the Python library wrote, with parameters by number and without shapes', () => {
    const table = Object.fromEntries(
      Array.from({ length: 120 }, (_, step) => [
        step,
        {
          Loss: 2 + wave(step),
          Alpha: 1.5 + wave(step),
          GradNorm: [0, 1],
          UpdateSize: [0, 0.1],
          train_loss: null,
        },
      ]),
    )
    expect(names(parseCockpit(JSON.stringify(table)))).toEqual(['dead-layer'])
    const [finding] = diagnose(parseCockpit(JSON.stringify(table).replaceAll('[0,', '[2,')))
    expect(finding).toMatchObject({ rule: 'steps-overshoot', steps: [70, 119] })
  })
})

describe('diverged', () => {
  const norms = (step: number): Quantities => ({
    Loss: step < 30 ? 2.3 : NaN,
    GradNorm: step < 29 ? { w: 1, b: 1 } : { w: Infinity, b: 1 },
    UpdateSize: { w: step < 25 ? 0.1 : 0.1 * 4 ** (step - 25), b: 0.1 },
    Alpha: 2,
  })
  const parameters = [
    { name: 'w', shape: [2] },
    { name: 'b', shape: [1] },
  ]

  it('names the step, what saw it first, and what came before', () => {
    const [first, second] = diagnose(runOf(60, norms, parameters))
    expect(first).toMatchObject({ rule: 'diverged', severity: 'error', steps: [29, 59], parameters: ['w'] })
    expect(first!.sentence).toMatch(
      /the loss is NaN from step 30 on; GradNorm was not finite at step 29 in w; before it, updates grew .* times/,
    )
    expect(second).toMatchObject({ rule: 'steps-overshoot', steps: [0, 28] })
  })

  it('sees a loss that has risen, and one that went far up and never came back', () => {
    expect(names(runOf(60, (step) => ({ Loss: step < 30 ? 2 : 8 })))).toEqual(['diverged'])
    expect(names(runOf(60, (step) => ({ Loss: step === 5 ? 1e4 : 2.3 })))).toEqual(['diverged'])
    expect(names(runOf(60, (step) => ({ Loss: step === 5 ? 1e4 : 2.3 - step / 60 })))).toEqual([])
    expect(names(runOf(60, (step) => ({ Loss: 2.3 * 0.95 ** step })))).toEqual([])
  })
})

describe('step length', () => {
  it('is too long where the median is above 1, or steps go uphill', () => {
    const [finding] = diagnose(runOf(100, (step) => ({ Alpha: step < 50 ? 0 : 1.6 + Math.sin(step) / 2 })))
    expect(finding).toMatchObject({ rule: 'steps-overshoot', severity: 'warning', steps: [50, 99] })
    expect(finding!.sentence).toMatch(
      /^steps overshoot: median α = 1\.\d+ over the last 50 steps.*; lower the learning rate$/,
    )
    expect(names(runOf(100, (step) => ({ Alpha: step % 3 === 0 ? 0 : -8 })))).toEqual(['steps-overshoot'])
  })

  it('is not told by a few', () => {
    expect(names(runOf(15, () => ({ Alpha: 3 })))).toEqual([])
  })
})

describe('steps that are too short, and losses that stand still', () => {
  const plain = (rate: number, normTest: number, alpha: number) =>
    runOf(120, (step) => ({
      Loss: 2.3 - 0.0001 * step + wave(step, 0.05),
      Alpha: alpha + wave(step),
      NormTest: normTest,
      GradNorm: { w: 1 },
      UpdateSize: { w: rate },
    }))

  it('compares α of plain descent with that of no step at all, 1 − NormTest² below zero', () => {
    // 0.1 is the rate that these runs log.
    expect(names(plain(0.1, 0.6, -0.6))).toEqual(['steps-too-short'])
    expect(names(plain(0.1, 0.6, -0.4))).toEqual([])
    // Noise decides, and α says nothing.
    expect(names(plain(0.1, 0.94, -0.4))).toEqual([])
    // Any other direction has −1.
    expect(names(plain(0.05, 0.6, -0.6))).toEqual([])
    expect(names(plain(0.05, 0.6, -0.9))).toEqual(['steps-too-short'])
  })

  it('is left alone while the rate is on its way', () => {
    const run = plain(0.05, 0.6, -0.9)
    const warming = {
      ...run,
      steps: run.steps.map((line) => ({ ...line, learningRate: 1e-3 * (line.step + 1) })),
    }
    const lowered = {
      ...run,
      steps: run.steps.map((line) => ({ ...line, learningRate: line.step < 60 ? 0.1 : 0.01 })),
    }
    expect(names(warming)).toEqual([])
    expect(names(lowered)).toEqual([])
  })

  it('tells a rate that is too small from a plateau by what gradients are', () => {
    const still = (update: number, gradient: (step: number) => number, normTest: number, spread: number) =>
      diagnose(
        runOf(120, (step) => ({
          Loss: 2.3 + wave(step, spread),
          NormTest: normTest,
          GradNorm: { w: gradient(step) },
          UpdateSize: { w: update },
        })),
      )
    const [small] = still(1e-4, () => 1, 0.7, 0.2)
    expect(small).toMatchObject({ rule: 'learning-rate-too-small', severity: 'warning' })
    expect(small!.evidence[0]).toMatchObject({ threshold: 0.001 })
    expect(small!.evidence[0]!.value).toBeCloseTo(1e-4 / 2.3, 5)
    expect(still(1e-4, () => 1, 0.99, 0.01).map(({ rule }) => rule)).toEqual(['plateau'])
    expect(still(0.1, (step) => (step < 10 ? 1 : 0.01), 0.7, 0.01).map(({ rule }) => rule)).toEqual([
      'plateau',
    ])
    expect(still(0.1, () => 1, 0.7, 0.2)).toEqual([])
    expect(still(0.1, () => 1, 1.1, 0.4).map(({ rule }) => rule)).toEqual(['batch-too-noisy'])
    expect(still(0, () => 1, 0.7, 0.2).map(({ rule }) => rule)).toEqual(['no-movement'])
  })

  it('suggests a batch size where CABS is logged', () => {
    const run = runOf(120, (step) => ({ Loss: 2 + wave(step, 0.4), NormTest: 1.2, CABS: 300 }))
    const sized = { ...run, header: { ...run.header!, batchSize: 8 } }
    expect(diagnose(sized)[0]!.sentence).toContain('raise the batch size (CABS suggests 300)')
  })
})

describe('what follows', () => {
  it('is left out beside its cause', () => {
    const stuck = (step: number): Quantities => ({
      Loss: 2.3 + wave(step, 0.01),
      NormTest: 1,
      GradNorm: { a: 0, b: 1 },
      UpdateSize: { a: 0, b: 0.1 },
      Alpha: 0,
    })
    expect(names(runOf(150, stuck))).toEqual(['dead-layer'])
  })

  it('is told by windows: a long log is gone through a few times, not once a value', () => {
    const run = runOf(20_000, (step) => ({ Loss: 1 + wave(step), Alpha: 0, GradNorm: { w: 1 } }))
    let reads = 0
    const steps = run.steps.map(({ quantities, ...line }) => ({
      ...line,
      get quantities() {
        reads++
        return quantities
      },
    }))
    diagnose({ ...run, steps })
    expect(reads).toBeLessThan(5 * steps.length)
  })
})

describe('rules of one’s own', () => {
  it('speak beside the others', () => {
    const mine = defineRule({
      name: 'too-many-steps',
      says: 'There are many steps.',
      looksAt: ['Loss'],
      thresholds: { most: 3 },
      because: 'made up',
      limits: 'none',
      source: 'none',
      find: (run, { most }) => {
        const { steps } = run.latest('Loss', () => true)
        return steps.length > most
          ? {
              severity: 'note',
              seen: `${steps.length} steps`,
              advice: 'stop',
              evidence: [],
              steps: [0, steps.at(-1)!],
            }
          : undefined
      },
    })
    expect(
      diagnose(
        runOf(4, () => ({ Loss: 1 })),
        { rules: [mine] },
      )[0]!.sentence,
    ).toBe('4 steps; stop')
    expect(() => defineRule({ ...mine, name: 'No Name' })).toThrow(/is no name/)
  })
})
