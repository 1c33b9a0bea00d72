/** @file The diagnosis: what its rules say of runs made by hand. */
import { describe, expect, it } from 'vitest'
import {
  defineRule,
  diagnose,
  type LoggedValue,
  parseCockpit,
  type Run,
  type StepLine,
} from '../src/index.ts'

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

/** Noise that no seed decides about. */
const wave = (step: number, size = 0.1): number => size * Math.sin(7.3 * step)

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

describe('layers', () => {
  const layers = [0, 1, 2, 3].flatMap((i) => [
    { name: `${i}.weight`, shape: [10, 10] },
    { name: `${i}.bias`, shape: [10] },
  ])
  const norms = (of: (layer: number) => number) => (): Quantities => ({
    GradNorm: Object.fromEntries(layers.map(({ name }, i) => [name, of(Math.floor(i / 2))])),
  })

  it('have gradients that vanish or explode towards the input, or about the same ones', () => {
    const [vanishing] = diagnose(
      runOf(
        20,
        norms((i) => 20 ** i),
        layers,
      ),
    )
    expect(vanishing).toMatchObject({ rule: 'vanishing-gradients', parameters: ['0.weight', '1.weight'] })
    expect(vanishing!.evidence[0]!.value).toBeCloseTo(8000, 6)
    expect(
      names(
        runOf(
          20,
          norms((i) => 20 ** -i),
          layers,
        ),
      ),
    ).toEqual(['exploding-gradients'])
    expect(
      names(
        runOf(
          20,
          norms((i) => 3 ** i),
          layers,
        ),
      ),
    ).toEqual([])
    // One layer that is far off is no trend.
    expect(
      names(
        runOf(
          20,
          norms((i) => (i === 3 ? 1e4 : 1)),
          layers,
        ),
      ),
    ).toEqual([])
  })

  it('count entries by their roots', () => {
    const sizes = [1, 1e4, 1e8].map((size, i) => ({ name: `${i}.weight`, shape: [size, 4] }))
    const equal = Object.fromEntries(sizes.map(({ name, shape }) => [name, Math.sqrt(4 * shape[0]!)]))
    expect(names(runOf(20, () => ({ GradNorm: equal }), sizes))).toEqual([])
  })

  it('are dead where every entry is exactly zero', () => {
    const [dead] = diagnose(
      runOf(
        20,
        norms((i) => (i === 1 ? 0 : 1)),
        layers,
      ),
    )
    expect(dead).toMatchObject({ rule: 'dead-layer', parameters: ['1.weight', '1.bias'] })
    expect(
      names(
        runOf(
          20,
          norms(() => 0),
          layers,
        ),
      ),
    ).toEqual([])
  })

  it('have most of their gradients in one place', () => {
    const histogram = { counts: [1, 500, 499, 1], edges: [-2, -1, 0, 1, 2] }
    const record = {
      ...histogram,
      parameters: { a: { counts: [0, 500, 500, 0] }, b: { counts: [5, 5, 5, 5] } },
    }
    const [finding] = diagnose(runOf(10, () => ({ GradHist1d: record })))
    expect(finding).toMatchObject({ rule: 'gradient-in-one-bin', severity: 'note', parameters: ['a'] })
    const rows = {
      a: {
        counts: [
          [0, 0],
          [250, 250],
          [250, 250],
          [0, 0],
        ],
      },
      b: {
        counts: [
          [1, 4],
          [5, 0],
          [5, 0],
          [5, 0],
        ],
      },
    }
    expect(names(runOf(10, () => ({ GradHist2d: { counts: [], edges: [], parameters: rows } })))).toEqual([
      'gradient-in-one-bin',
    ])
  })
})

describe('inputs', () => {
  const linear = [
    { name: 'fc.weight', shape: [5, 16] },
    { name: 'fc.bias', shape: [5] },
  ]
  const ratio = (of: number) => () => ({ GradNorm: { 'fc.weight': of * 4, 'fc.bias': 1 } })

  it('are as large as the gradients of weight and bias say', () => {
    const [raw] = diagnose(runOf(20, ratio(100), linear))
    expect(raw).toMatchObject({ rule: 'badly-scaled-inputs', severity: 'warning', strength: 10 })
    expect(names(runOf(20, ratio(1), linear))).toEqual([])
    expect(diagnose(runOf(20, ratio(0.001), linear))[0]).toMatchObject({ severity: 'note' })
  })

  it('can’t be told without a bias beside the first weight', () => {
    expect(names(runOf(20, ratio(100), [linear[0]!, { name: 'norm.weight', shape: [3] }]))).toEqual([])
    expect(
      names(
        runOf(
          20,
          ratio(100),
          linear.map(({ name }) => ({ name, shape: [] })),
        ),
      ),
    ).toEqual([])
  })
})

describe('wrong labels', () => {
  const agreement = (opposed: number, others: number, below: number) => (step: number) => ({
    GradAgreement: {
      opposed: 0.4,
      above: { opposed, others },
      beginning: 2.3,
      losses: { opposed: 2, others: 1, below },
      // 7 comes back at every third step, 9 and the others once.
      most: { cosines: [-0.5], losses: [4], indices: [step % 3 === 0 ? 7 : step === 5 ? 9 : 100 + step] },
    },
  })

  it('are told by how many oppose and lose, and by who comes back', () => {
    const [finding] = diagnose(runOf(60, agreement(0.09, 0.1, 0.7)))
    expect(finding).toMatchObject({ rule: 'wrong-labels', severity: 'warning' })
    expect(finding!.samples![0]).toBe(7)
    expect(finding!.sentence).toMatch(
      /about 19 % of the labels look wrong: .* stay above 2\.3, where training began/,
    )
  })

  it('are not hard samples, nor all samples before anything is learned', () => {
    expect(names(runOf(60, agreement(0.015, 0.05, 0.7)))).toEqual([])
    expect(names(runOf(60, agreement(0.2, 0.25, 2)))).toEqual([])
    const late = runOf(60, (step) => agreement(step < 30 ? 0.2 : 0.01, 0.1, 0.7)(step))
    expect(names(late)).toEqual([])
  })
})

describe('curvature, and when to stop', () => {
  it('says where the rate is above 2/λ, for plain descent', () => {
    const at = (eigenvalue: number, update: number) =>
      runOf(30, () => ({ HessMaxEV: eigenvalue, GradNorm: { w: 1 }, UpdateSize: { w: update } }))
    const [edge] = diagnose(at(40, 0.1))
    expect(edge).toMatchObject({ rule: 'edge-of-stability', severity: 'note', strength: 2 })
    expect(edge!.sentence).toContain('learning rate 0.1 is above 2/λmax = 0.05 over the last 20 values')
    expect(names(at(15, 0.1))).toEqual([])
    expect(names(at(40, 0.3))).toEqual([])
  })

  it('says where the trace has grown', () => {
    expect(names(runOf(40, (step) => ({ HessTrace: { a: 1 + step, b: 1 } })))).toEqual([])
    expect(names(runOf(40, (step) => ({ HessTrace: { a: 1 + 9 * step, b: 1 } })))).toEqual([])
    expect(names(runOf(40, (step) => ({ HessTrace: { a: step < 20 ? 1 : 30, b: 1 } })))).toEqual([
      'curvature-grows',
    ])
  })

  it('says where gradients are noise and the loss has come down', () => {
    const run = (end: number) =>
      runOf(200, (step) => ({ Loss: (step < 50 ? 2.3 : end) + wave(step, 0.3 * end), EarlyStopping: 0.2 }))
    expect(names(run(0.3))).toEqual(['time-to-stop'])
    expect(names(run(2.2))).toEqual([])
  })

  it('sees other data get worse while training gets better', () => {
    const notes = (name: string, values: readonly number[]) =>
      values.map((value, i) => ({
        kind: 'note' as const,
        step: 10 * i,
        time: i,
        values: { [name]: value, train_loss: 1 / (1 + i), train_accuracy: i / 10 },
      }))
    const run = (name: string, values: readonly number[]): Run => ({
      ...runOf(60, () => ({})),
      notes: notes(name, values),
    })
    const [finding] = diagnose(run('valid_loss', [1, 0.8, 0.9, 1, 1.1]))
    expect(finding).toMatchObject({ rule: 'overfitting', severity: 'warning', steps: [10, 40] })
    expect(names(run('testAccuracy', [0.5, 0.8, 0.79, 0.78, 0.7]))).toEqual(['overfitting'])
    expect(names(run('valid_loss', [1, 0.8, 0.7, 0.6, 0.61]))).toEqual([])
    expect(names(run('valid_loss', [1, 0.8, 0.81, 0.82, 0.82]))).toEqual([])
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
