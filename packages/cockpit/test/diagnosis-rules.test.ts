/** @file The diagnosis of runs made by hand: layers, inputs, labels, curvature, and when to stop. */
import { describe, expect, it } from 'vitest'
import { diagnose, type Run, type StepLine } from '../src/index.ts'
import { names, runOf, wave } from './hand-made-run.ts'

type Quantities = StepLine['quantities']

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

  it('sees no overfitting where nothing is learned, nor in small changes', () => {
    const run = (what: string, train: readonly number[], valid: readonly number[]): Run => ({
      ...runOf(60, () => ({})),
      notes: valid.map((value, i) => ({
        kind: 'note',
        step: 10 * i,
        time: i,
        values: { [`train_${what}`]: train[i]!, [`valid_${what}`]: value },
      })),
    })
    const falling = [0.11, 0.12, 0.1, 0.1, 0.085]
    expect(names(run('accuracy', [0.1, 0.11, 0.11, 0.1, 0.12], falling))).toEqual([])
    expect(names(run('accuracy', [0.1, 0.11, 0.2, 0.3, 0.5], falling))).toEqual(['overfitting'])
    expect(names(run('accuracy', [90, 97, 97, 98, 99], [88, 95, 94, 93, 92]))).toEqual(['overfitting'])
    expect(names(run('accuracy', [90, 97, 97, 98, 99], [88, 95, 94.5, 94, 93.5]))).toEqual([])
    const rising = [2.4, 2.3, 2.4, 2.5, 2.6]
    expect(names(run('loss', [2.4, 2.3, 2.3, 2.29, 2.28], rising))).toEqual([])
    expect(names(run('loss', [2.4, 2.3, 2.1, 1.9, 1.7], rising))).toEqual(['overfitting'])
    expect(names(run('loss', [2.4, 2.3, 2.1, 1.9, 1.7], [2.4, 2.3, 2.35, 2.4, 2.45]))).toEqual([])
  })
})
