/** @file The diagnosis: what its rules say of runs made by hand. */
import { describe, expect, it } from 'vitest'
import { defineRule, diagnose, type LoggedValue, type Run, type StepLine } from '../src/index.ts'

type Quantities = StepLine['quantities']

/** A run whose step s has these quantities. */
function runOf(
  count: number,
  of: (step: number) => Readonly<Record<string, LoggedValue>>,
  parameters: readonly { readonly name: string; readonly shape: readonly number[] }[] = [],
): Run {
  return {
    header: { kind: 'header', version: 1, started: '', parameters, quantities: [] },
    steps: Array.from({ length: count }, (_, step) => ({
      kind: 'step',
      step,
      time: step,
      quantities: of(step),
      learningRate: 0.1,
    })),
    notes: [],
  }
}

const names = (run: Run): string[] => diagnose(run).map(({ rule }) => rule)

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
