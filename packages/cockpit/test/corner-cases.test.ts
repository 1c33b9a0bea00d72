/** @file What instruments say where there is little to say: one sample, no gradient, no step, NaN, other optimisers, runs that go on. */
import {
  backward,
  type Batch,
  crossEntropy,
  defineExtension,
  gradientFlow,
  mseLoss,
} from '@beyondgrad/autograd'
import { BatchL2 } from '@beyondgrad/backpack'
import {
  Adam,
  BatchNorm1d,
  Linear,
  loadState,
  SGD,
  Sequential,
  stateOf,
  Tanh,
  trainStep,
} from '@beyondgrad/nn'
import { intTensor, mul, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as cockpit from '../src/index.ts'
import { readRun } from '../src/node.ts'

const engine = referenceEngine()

const everything = (): cockpit.Instrument[] => [
  ...cockpit.full(),
  cockpit.TICTrace(),
  cockpit.MeanGSNR(),
  cockpit.CABS(),
  cockpit.EarlyStopping(),
  cockpit.Parameters(),
  cockpit.Time(),
]

const network = () => Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))

function batchOf(samples: number, scale = 1): Batch {
  const inputs = Float32Array.from({ length: 3 * samples }, (_, i) => scale * Math.sin(5 * i + 1))
  const targets = Int32Array.from({ length: samples }, (_, i) => i % 2)
  return {
    inputs: tensor(inputs, { shape: [samples, 3], dtype: 'float32' }),
    targets: tensor(targets, { shape: [samples], dtype: 'int32' }),
  }
}

/** What is logged of a training on these batches. */
async function logOf(
  batches: readonly Batch[],
  options: cockpit.CockpitOptions & {
    readonly learningRate?: number
    readonly adam?: boolean
    readonly weight?: number
  } = {},
): Promise<cockpit.TrackedStep[]> {
  const steps: cockpit.TrackedStep[] = []
  const model = network()
  const watching = await cockpit.openCockpit({
    instruments: everything(),
    ...options,
    onStep: (step) => steps.push(step),
  })
  const { learningRate = 0.1, weight } = options
  if (weight !== undefined) model.parameters.get('2.weight').set(new Float32Array(8).fill(weight))
  const optimizer = options.adam
    ? Adam(model.parameters, { learningRate })
    : SGD(model.parameters, { learningRate })
  const train = trainStep({ model, loss: crossEntropy, optimizer, engine, observers: [watching] })
  for (const batch of batches) await train(batch)
  await watching.close()
  return steps
}

const quantities = everything().map(({ name }) => name)

describe('corner cases', () => {
  it('one sample: a reason where variances are needed, and everything else', async () => {
    const [first] = await logOf([batchOf(1), batchOf(1)])
    expect(first!.absent).toEqual({
      Alpha: 'the batch after the step has 1 sample, and no variance',
      NormTest: 'batch size 1',
      InnerTest: 'batch size 1',
      OrthoTest: 'batch size 1',
      MeanGSNR: 'batch size 1',
      EarlyStopping: 'batch size 1',
      GradAgreement: 'batch size 1',
    })
    expect(Object.keys(first!.quantities).length + 7).toBe(quantities.length)
    expect(first!.quantities.CABS).toBeCloseTo(0, 12)
  })

  it('no gradient: tests are absent, histograms are one spike', async () => {
    // Loss of a constant, whose gradient is zero.
    const steps: cockpit.TrackedStep[] = []
    const model = Sequential(Linear(3, 2, { seed: 1 }))
    const watching = await cockpit.openCockpit({
      instruments: everything(),
      onStep: (step) => steps.push(step),
    })
    const loss = (output: Tensor, target: Tensor) => mseLoss(mul(output, 0), target)
    const train = trainStep<Tensor>({
      model,
      loss,
      optimizer: SGD(model.parameters, { learningRate: 0.1 }),
      engine,
      observers: [watching],
    })
    const zeros = tensor([
      [0, 0],
      [0, 0],
    ])
    for (let i = 0; i < 2; i++)
      await train({
        inputs: tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]),
        targets: zeros,
      })
    await watching.close()
    const { quantities: found, absent } = steps[0]!
    expect(absent).toMatchObject({
      NormTest: 'the gradient is zero',
      InnerTest: 'the gradient is zero',
      CABS: 'the loss is zero',
    })
    expect(found.Alpha).toBe(-1)
    expect(found.MeanGSNR).toBe(0)
    expect(found.EarlyStopping).toBe(1)
    const { counts } = found.GradHist1d as { counts: number[] }
    expect(counts.filter((count) => count > 0)).toEqual([16])
  })

  it('no step: Alpha is −1, and nothing moved', async () => {
    const [first] = await logOf([batchOf(4), batchOf(4)], { learningRate: 0 })
    expect(first!.quantities.Alpha).toBe(-1)
    expect(Object.values(first!.quantities.UpdateSize as object)).toEqual([0, 0, 0, 0])
  })

  it('a run that diverges is logged as it is', async () => {
    const steps = await logOf([batchOf(4), batchOf(4)], { weight: Infinity })
    const last = steps.at(-1)!
    expect(last.quantities.Loss).toBeNaN()
    expect(last.quantities.NormTest).toBeNaN()
    expect((last.quantities.GradHist1d as { notFinite: number }).notFinite).toBeGreaterThan(0)
    expect(Object.keys(last.quantities).length + Object.keys(last.absent!).length).toBe(quantities.length)
  })

  it('any optimiser', async () => {
    const steps = await logOf(
      [1, 2, 3].map((k) => batchOf(6, k)),
      { adam: true },
    )
    for (const { quantities: found } of steps.slice(0, 2)) expect(Number.isFinite(found.Alpha)).toBe(true)
    // The first step of Adam moves every entry by the rate.
    const sizes = Object.values(steps[0]!.quantities.UpdateSize as Record<string, number>)
    expect(sizes).toEqual(
      [12, 4, 8, 2].map((entries) => expect.closeTo(0.1 * Math.sqrt(entries), 3) as number),
    )
  })

  it('a network whose samples mix: what needs samples gives the reason, and the rest is there', async () => {
    const steps: cockpit.TrackedStep[] = []
    const model = Sequential(Linear(3, 4, { seed: 1 }), BatchNorm1d(4), Linear(4, 2, { seed: 2 }))
    const watching = await cockpit.openCockpit({
      instruments: everything(),
      onStep: (step) => steps.push(step),
    })
    expect(
      Object.keys(watching.unavailable(crossEntropy(model(batchOf(4).inputs), intTensor([0, 1, 0, 1])))),
    ).toEqual([])
    const train = trainStep({
      model,
      loss: crossEntropy,
      optimizer: SGD(model.parameters, { learningRate: 0.1 }),
      engine,
      observers: [watching],
    })
    for (const k of [1, 2]) await train(batchOf(4, k))
    await watching.close()
    expect(steps[0]!.absent!.NormTest).toMatch(/samples/)
    expect(Object.keys(steps[0]!.quantities)).toEqual(
      expect.arrayContaining(['Loss', 'GradNorm', 'UpdateSize', 'Distance', 'HessMaxEV']),
    )
  })

  it('goes on where a run was saved: everything is as if it had not stopped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resumed-'))
    const batches = [1, 2, 3, 4, 5].map((k) => batchOf(5, k))
    const process = async (log: string, of: readonly Batch[], saved?: ReturnType<typeof stateOf>) => {
      const model = network()
      const optimizer = SGD(model.parameters, { learningRate: 0.1, momentum: 0.5 })
      const watching = await cockpit.openCockpit({
        log,
        instruments: 'full',
        resume: true,
        parameters: model.parameters,
      })
      const all = { model, optimizer, cockpit: watching }
      if (saved) loadState(all, saved)
      const train = trainStep({ model, loss: crossEntropy, optimizer, engine, observers: [watching] })
      for (const batch of of) await train(batch)
      const state = structuredClone(stateOf(all))
      await watching.close()
      return state
    }
    await process(join(folder, 'whole'), batches)
    const state = await process(join(folder, 'parts'), batches.slice(0, 2))
    await process(join(folder, 'parts'), batches.slice(2), state)
    const [whole, parts] = ['whole', 'parts'].map((name) =>
      readRun(join(folder, name)).steps.map(({ step, quantities: found, absent }) => ({
        step,
        found,
        absent,
      })),
    )
    expect(parts).toEqual(whole)
    // Without its state it says what it can't know.
    await process(join(folder, 'bare'), batches.slice(0, 1))
    const bare = network()
    const optimizer = SGD(bare.parameters, { learningRate: 0.1 })
    loadState(optimizer, {
      ...stateOf(optimizer),
      step: { shape: [], dtype: 'float32', data: Float32Array.of(1) },
    })
    const watching = await cockpit.openCockpit({ log: join(folder, 'bare'), resume: true })
    await trainStep({ model: bare, loss: crossEntropy, optimizer, engine, observers: [watching] })(
      batches[0]!,
    )
    await watching.close()
    const { steps } = readRun(join(folder, 'bare'))
    expect(steps.map(({ step }) => step)).toEqual([0, 1])
    expect(steps[0]!.absent!.Alpha).toMatch(/without the state/)
    expect(steps[1]!.absent!.Distance).toMatch(/without the state/)
    rmSync(folder, { recursive: true })
  })
})

describe('tracking', () => {
  it('leaves untracked steps as they are, and computes nothing for them', async () => {
    const model = network()
    const watching = await cockpit.openCockpit({ every: 10 })
    watching.begin!({ parameters: model.parameters, step: 0 })
    const wishes = Array.from({ length: 21 }, (_, step) => watching.measurementAt!(step)?.key)
    expect([...wishes.entries()].filter(([, key]) => key !== undefined).map(([step]) => step)).toEqual([
      0, 1, 10, 11, 20,
    ])
    // The step after a tracked one computes the end of Alpha alone.
    expect(wishes[1]).toBe('Alpha after')
    expect(wishes[10]).toBe(wishes[0])
  })

  it('tracks loops of one’s own as it tracks trainStep', async () => {
    const expected = await logOf([batchOf(4, 1), batchOf(4, 2)])
    const steps: cockpit.TrackedStep[] = []
    const model = network()
    const watching = await cockpit.openCockpit({
      instruments: everything(),
      onStep: (step) => steps.push(step),
    })
    const before = [batchOf(4, 1), batchOf(4, 2)]
    for (const [step, { inputs, targets }] of before.entries()) {
      const loss = crossEntropy(model(inputs), targets)
      const optimizer = SGD(model.parameters, { learningRate: 0.1 })
      const { gradient } = backward(loss, { gradient: gradientOf })
      await watching.track({ step, loss, updates: optimizer.update(gradient), learningRate: 0.1, engine })
    }
    await watching.close()
    const comparable = (all: readonly cockpit.TrackedStep[]) =>
      all.map(({ quantities: { Time: _, ...rest }, absent }) => ({ rest, absent }))
    expect(comparable(steps)).toEqual(comparable(expected))
  })

  it('takes instruments of one’s own, with extensions and graphs of their own', async () => {
    const LoudestSample = cockpit.defineInstrument({
      name: 'LoudestSample',
      extensions: { norms: BatchL2() },
      measure: ({ results }) => ({ total: [...results.norms].map(([, x]) => x).reduce((a, b) => a.add(b)) }),
      log: ({ measured, batchSize }) =>
        batchSize === 1
          ? cockpit.absent('there is only one')
          : measured.total.data.indexOf(Math.max(...measured.total.data)),
    })
    const [first] = await logOf([batchOf(3)], { instruments: [LoudestSample] })
    expect([0, 1, 2]).toContain(first!.quantities.LoudestSample)
    const [alone] = await logOf([batchOf(1)], { instruments: [LoudestSample] })
    expect(alone!.absent).toEqual({ LoudestSample: 'there is only one' })
  })

  it('says what is wrong with what it is told', async () => {
    await expect(cockpit.openCockpit({ instruments: [cockpit.Loss(), cockpit.Loss()] })).rejects.toThrow(
      /two instruments called Loss/,
    )
    await expect(cockpit.openCockpit({ instruments: 'luxury' as never })).rejects.toThrow(
      /economy, business, full/,
    )
    await expect(cockpit.openCockpit({ every: 0 })).rejects.toThrow(/positive whole number/)
    expect(() => cockpit.HessTrace({ curvature: 'diag' as never })).toThrow(/one of diag-hessian/)
    expect(() => cockpit.GradHist1d({ bins: 0 })).toThrow(/positive number of bins/)
    expect(() => cockpit.GradHist1d({ range: [1, 1] })).toThrow(/lower to a higher/)
    expect(() => cockpit.defineInstrument({ name: 'a b', log: () => 1 })).toThrow(/is no name/)
  })
})

const gradientOf = defineExtension({
  name: 'gradient',
  options: {},
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.sum(),
})
