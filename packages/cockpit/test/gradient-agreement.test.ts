/** @file Which samples oppose their batch: against gradients of single samples, one by one. */
import { backward, type Batch, crossEntropy } from '@beyondgrad/autograd'
import { Gradient } from '@beyondgrad/backpack'
import { Linear, Sequential, SGD, Tanh, trainStep } from '@beyondgrad/nn'
import { evaluate, intTensor, referenceEngine, slice, tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { GradAgreement, openCockpit, type TrackedStep } from '../src/index.ts'

const engine = referenceEngine()
const network = () => Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 3, { seed: 2 }))

/** Samples of three heaps; those named have the label of the next one. */
function batchOf(samples: number, wrong: readonly number[] = [], from = 0): Batch {
  const inputs = Float32Array.from({ length: 3 * samples }, (_, i) => {
    const [n, axis] = [Math.floor(i / 3), i % 3]
    return (n % 3 === axis ? 2 : 0) + Math.sin(9 * i + from) / 3
  })
  const targets = Int32Array.from({ length: samples }, (_, n) => (n + (wrong.includes(n) ? 1 : 0)) % 3)
  return {
    inputs: tensor(inputs, { shape: [samples, 3], dtype: 'float32' }),
    targets: tensor(targets, { shape: [samples], dtype: 'int32' }),
    indices: intTensor(Array.from({ length: samples }, (_, n) => 100 + n)),
  }
}

interface Agreement {
  readonly opposed: number
  readonly above: { readonly opposed: number; readonly others: number }
  readonly beginning: number
  readonly losses: { readonly opposed?: number; readonly others?: number; readonly below?: number }
  readonly most: {
    readonly cosines: readonly number[]
    readonly losses: readonly number[]
    readonly indices?: readonly number[]
  }
}

async function agreementsOf(
  batches: readonly Batch[],
): Promise<{ model: ReturnType<typeof network>; steps: TrackedStep[] }> {
  const model = network()
  const steps: TrackedStep[] = []
  const cockpit = await openCockpit({ instruments: [GradAgreement()], onStep: (step) => steps.push(step) })
  const optimizer = SGD(model.parameters, { learningRate: 0.5 })
  const train = trainStep({ model, loss: crossEntropy, optimizer, engine, observers: [cockpit] })
  for (const batch of batches) await train(batch)
  await cockpit.close()
  return { model, steps }
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)

describe('GradAgreement', () => {
  it('is that of each gradient with the sum of all others', async () => {
    const batch = batchOf(7, [2, 5])
    const { steps } = await agreementsOf([batch])
    const found = steps[0]!.quantities.GradAgreement as unknown as Agreement
    const model = network()
    const [gradients, losses]: [number[][], number[]] = [[], []]
    for (let n = 0; n < 7; n++) {
      const [x, y] = [slice(batch.inputs, 0, n, n + 1), slice(batch.targets, 0, n, n + 1)]
      const loss = crossEntropy(model(x), y)
      const all = await evaluate({ loss, ...backward(loss, { gradient: Gradient() }) }, { engine })
      losses.push(all.loss.data[0]!)
      gradients.push([...all.gradient].flatMap(([, { data }]) => [...data]))
    }
    const cosines = gradients.map((own, n) => {
      const rest = own.map((_, i) => gradients.reduce((sum, each, m) => (m === n ? sum : sum + each[i]!), 0))
      return dot(own, rest) / Math.sqrt(dot(own, own) * dot(rest, rest))
    })
    const mean = losses.reduce((a, b) => a + b) / 7
    const opposed = [...cosines.keys()].filter((n) => cosines[n]! < 0)
    expect(opposed.length).toBeGreaterThan(0)
    expect(opposed.length).toBeLessThan(7)
    const meanOf = (places: readonly number[]): number =>
      places.reduce((sum, n) => sum + losses[n]!, 0) / places.length
    expect(found.opposed).toBeCloseTo(opposed.length / 7, 12)
    expect(found.losses.opposed).toBeCloseTo(meanOf(opposed), 6)
    expect(found.losses.others).toBeCloseTo(meanOf([...cosines.keys()].filter((n) => cosines[n]! >= 0)), 6)
    expect(found.beginning).toBeCloseTo(mean, 6)
    const above = opposed.filter((n) => losses[n]! > mean).sort((a, b) => cosines[a]! - cosines[b]!)
    expect(found.above.opposed).toBeCloseTo(above.length / 7, 12)
    const losing = [...losses.keys()].filter((n) => losses[n]! > mean)
    expect(found.above.others).toBeCloseTo((losing.length - above.length) / 7, 12)
    expect(found.losses.below).toBeCloseTo(meanOf([...losses.keys()].filter((n) => !losing.includes(n))), 6)
    expect(found.most.indices).toEqual(above.map((n) => 100 + n))
    above.forEach((n, i) => {
      expect(found.most.cosines[i]).toBeCloseTo(cosines[n]!, 6)
      expect(found.most.losses[i]).toBeCloseTo(losses[n]!, 6)
    })
  })

  it('finds the samples of wrong labels by their places in the data', async () => {
    const wrong = [4, 11, 17]
    const { steps } = await agreementsOf(Array.from({ length: 40 }, (_, i) => batchOf(30, wrong, i)))
    const last = steps.at(-1)!.quantities.GradAgreement as unknown as Agreement
    expect(last.most.indices?.toSorted((a, b) => a - b)).toEqual(wrong.map((n) => 100 + n))
    expect(last.above).toEqual({ opposed: 0.1, others: 0 })
    expect(last.losses.opposed).toBeGreaterThan(3 * last.losses.others!)
  })

  it('is absent where there is no rest, and names nobody where indices are not known', async () => {
    const { steps } = await agreementsOf([batchOf(1)])
    expect(steps[0]!.absent).toEqual({ GradAgreement: 'batch size 1' })
    const { inputs, targets } = batchOf(6, [1])
    const { steps: nameless } = await agreementsOf([{ inputs, targets }])
    expect(nameless[0]!.quantities.GradAgreement).toHaveProperty('most.cosines')
    expect(nameless[0]!.quantities.GradAgreement).not.toHaveProperty('most.indices')
  })
})
