import { parseRun } from '@beyondgrad/cockpit'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import type { Dataset } from '@beyondgrad/nn'
import { expect, it } from 'vitest'
import { settingsFrom } from '../src/settings.ts'
import { Training } from '../src/training/training.ts'

/** Pictures with a bright row that says what they are. */
function rowsOfLight(count: number): Dataset {
  const data = new Float32Array(count * 784)
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10)
  labels.forEach((label, i) => data.fill(1, 784 * i + 56 * label, 784 * i + 56 * label + 28))
  return {
    inputs: { shape: [count, 1, 28, 28], dtype: 'float32', data },
    targets: { shape: [count], dtype: 'int32', data: labels },
  }
}

async function opened(query: string): Promise<{ training: Training; log: () => string }> {
  let log = ''
  const data = { train: rowsOfLight(200), test: rowsOfLight(50) }
  const training = await Training.open(settingsFrom(query), data, onnxruntime(), {
    append: (line) => (log += line),
    wait: () => undefined,
    close: () => undefined,
  })
  return { training, log: () => log }
}

const trained = async (query: string, steps: number): ReturnType<typeof opened> => {
  const all = await opened(query)
  for (let i = 0; i < steps; i++) await all.training.step()
  return all
}

it('learns, and logs every tenth step and what it is judged by', async () => {
  const { training, log } = await trained('?optimizer=sgd&batch=20&lr=0.3', 61)
  const { train, test } = await training.judge()
  expect(train).toBe(1)
  expect(test).toBe(1)
  const run = parseRun(log())
  expect(run.steps.map(({ step }) => step)).toEqual([0, 10, 20, 30, 40, 50])
  expect(run.header).toMatchObject({ optimizer: 'sgd', batchSize: 20, sabotage: [] })
  expect(run.notes).toEqual([
    expect.objectContaining({ step: 60, values: { trainAccuracy: 1, validAccuracy: 1 } }),
  ])
  expect(training.progress.loss).toBeLessThan(0.1)
})

it('takes another rate and another interval at once', async () => {
  const { training, log } = await trained('?optimizer=sgd&batch=20', 5)
  training.learningRate = 0.05
  training.every = 2
  for (let i = 0; i < 6; i++) await training.step()
  const { steps } = parseRun(log())
  expect(steps.map(({ step, learningRate }) => [step, learningRate])).toEqual([
    [0, 0.1],
    [6, 0.05],
    [8, 0.05],
  ])
})

it('shows digits as they are, with the label that sabotage gave them', async () => {
  const { training } = await opened('?sabotage=raw,labels')
  const digits = await training.show([...Array(50).keys()])
  const spoiled = digits.filter(({ label, truth }) => label !== truth)
  expect(spoiled.length).toBeGreaterThan(2)
  expect(spoiled.length).toBeLessThan(25)
  for (const { place, pixels, truth } of digits) {
    expect(truth).toBe(place % 10)
    expect(pixels.indexOf(255)).toBe(56 * truth)
  }
})

it('trains both networks with every optimiser', async () => {
  for (const query of [
    '?model=conv',
    '?optimizer=momentum',
    '?optimizer=sgd',
    '?sabotage=sigmoid',
    '?sabotage=zeros',
  ]) {
    const { training } = await trained(`${query}&batch=8`, 2)
    expect(training.progress.loss).toBeGreaterThan(0)
  }
})

it('says that the loss is no number once the log does', async () => {
  const { training, log } = await opened('?optimizer=sgd&batch=20&every=3&lr=10&sabotage=rate')
  for (let i = 0; i < 60 && !training.hasDiverged; i++) await training.step()
  expect(training.hasDiverged).toBe(true)
  // The step that tells it waits in the log for the next one, which will not come.
  await training.close()
  expect(parseRun(log()).steps.at(-1)!.quantities.Loss).toBeNaN()
})
