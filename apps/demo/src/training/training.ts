/** @file One training of a network on digits, step by step, with a Cockpit that watches. */
import type { Batch, Module } from '@beyondgrad/autograd'
import { type Cockpit, type LogSink, openCockpit } from '@beyondgrad/cockpit'
import {
  batches,
  CrossEntropyLoss,
  type Dataset,
  rows,
  type StatefulOptimizer,
  trainStep,
} from '@beyondgrad/nn'
import { argmax, compile, type Engine, type NDArray, type Tensor } from '@beyondgrad/tensor'
import type { Settings } from '../settings.ts'
import { corrupted } from './digits.ts'
import type { Accuracy, Progress, ShownDigit } from './messages.ts'
import { modelOf, optimizerOf } from './models.ts'
import { StepTimes } from './step-times.ts'

/** Share of the labels that sabotage makes wrong. */
const wrongShare = 0.2
/** Digits that accuracies are measured on, at most, and at a time. */
const judged = { train: 1000, test: 2000, atOnce: 500 }
const classes = 10

export interface TrainingData {
  readonly train: Dataset
  readonly test: Dataset
}

export class Training {
  readonly #data: TrainingData
  readonly #truth: Int32Array
  readonly #optimizer: StatefulOptimizer
  readonly #cockpit: Cockpit
  readonly #times = new StepTimes()
  readonly #train: (batch: Batch) => Promise<{ readonly loss: number }>
  readonly #predict: (images: NDArray) => Promise<Int32Array>
  readonly #batches: AsyncGenerator<Batch>
  #every: number
  #steps = 0
  #loss = Number.NaN
  #smoothLoss = Number.NaN
  #lastBatch = new Int32Array()

  private constructor(settings: Settings, data: TrainingData, engine: Engine, cockpit: Cockpit) {
    this.#cockpit = cockpit
    this.#every = settings.every
    this.#data = spoiledData(settings, data)
    this.#truth = data.train.targets.data
    const model = modelOf(settings)
    this.#optimizer = optimizerOf(model, settings)
    const step = trainStep({
      model,
      loss: CrossEntropyLoss(),
      optimizer: this.#optimizer,
      observers: [cockpit],
      engine,
    })
    this.#train = (batch) => step(batch)
    this.#predict = predictorOf(model, engine)
    this.#batches = batches(this.#data.train, {
      size: settings.batchSize,
      seed: settings.seed,
      epochs: Infinity,
      dropLast: true,
    })
  }

  static async open(settings: Settings, data: TrainingData, engine: Engine, log: LogSink): Promise<Training> {
    let self: Training | undefined
    const cockpit = await openCockpit({
      log,
      instruments: settings.instruments,
      every: (step) => step % (self?.every ?? settings.every) === 0,
      header: {
        model: settings.model,
        loss: 'cross-entropy',
        optimizer: settings.optimizer,
        engine: settings.engine,
        data: `the first ${data.train.targets.data.length} digits of MNIST`,
        seed: settings.seed,
        sabotage: [...settings.sabotage],
      },
    })
    return (self = new Training(settings, data, engine, cockpit))
  }

  /** Steps done. */
  get steps(): number {
    return this.#steps
  }

  /** Steps between two that are tracked. */
  get every(): number {
    return this.#every
  }

  set every(value: number) {
    if (value !== this.#every) this.#times.restart()
    this.#every = value
  }

  get learningRate(): number {
    return this.#optimizer.learningRate
  }

  set learningRate(value: number) {
    if (value !== this.#optimizer.learningRate) this.#optimizer.learningRate = value
  }

  get progress(): Omit<Progress, 'stepsPerSecond'> {
    return {
      steps: this.#steps,
      loss: this.#loss,
      smoothLoss: this.#smoothLoss,
      costs: this.#times.costs,
    }
  }

  /** Whether the loss is no number any more, and the log says so. */
  get hasDiverged(): boolean {
    return !Number.isFinite(this.#loss) && this.#steps > 0 && (this.#steps - 1) % this.#every === 0
  }

  async step(): Promise<void> {
    const batch = (await this.#batches.next()).value as Batch
    const watched = {
      due: this.#steps % this.#every === 0,
      after: this.#steps > 0 && (this.#steps - 1) % this.#every === 0,
    }
    const before = performance.now()
    const { loss } = await this.#train(batch)
    this.#times.add(watched, performance.now() - before)
    this.#lastBatch = Int32Array.from((await batch.indices!.read()).data)
    this.#loss = loss
    this.#smoothLoss = this.#steps === 0 ? loss : this.#smoothLoss + 0.05 * (loss - this.#smoothLoss)
    this.#steps++
  }

  /** Measures accuracies, and notes them in the log. */
  async judge(): Promise<Accuracy> {
    const [train, test] = [
      await this.#accuracyOn(this.#data.train, judged.train),
      await this.#accuracyOn(this.#data.test, judged.test),
    ]
    this.#cockpit.note(Math.max(0, this.#steps - 1), { trainAccuracy: train, validAccuracy: test })
    return { steps: this.#steps, train, test }
  }

  /** Some digits of the last batch; of the data, before there was one. */
  someDigits(count: number): Promise<readonly ShownDigit[]> {
    return this.show(
      this.#lastBatch.length === 0 ? [...Array(count).keys()] : this.#lastBatch.subarray(0, count),
    )
  }

  /** Digits of the training data by their places, with what the network takes them for. */
  async show(places: ArrayLike<number>): Promise<readonly ShownDigit[]> {
    if (places.length === 0) return []
    const { inputs, targets } = this.#data.train
    const images = rows(inputs, places)
    const predicted = await this.#predict(images)
    const size = images.data.length / places.length
    const white = images.data.reduce((most, each) => Math.max(most, each), 0)
    return Array.from({ length: places.length }, (_, i) => ({
      place: places[i]!,
      pixels: Uint8ClampedArray.from(
        images.data.subarray(i * size, (i + 1) * size),
        (grey) => (255 * grey) / white,
      ),
      label: targets.data[places[i]!]!,
      predicted: predicted[i]!,
      truth: this.#truth[places[i]!]!,
    }))
  }

  /** Ends the log, with the step that waits for another one. */
  close(): Promise<void> {
    return this.#cockpit.close()
  }

  async #accuracyOn({ inputs, targets }: Dataset, most: number): Promise<number> {
    const count = Math.min(most, targets.data.length)
    let right = 0
    for (let from = 0; from < count; from += judged.atOnce) {
      const places = Int32Array.from({ length: Math.min(judged.atOnce, count - from) }, (_, i) => from + i)
      const predicted = await this.#predict(rows(inputs, places))
      places.forEach((place, i) => (right += predicted[i] === targets.data[place] ? 1 : 0))
    }
    return right / count
  }
}

function predictorOf(model: Module, engine: Engine): (images: NDArray) => Promise<Int32Array> {
  const run = compile((images: Tensor) => ({ classes: argmax(model(images), 1) }), { engine })
  return async (images) => Int32Array.from((await run(images)).classes.data, Number)
}

function spoiledData({ sabotage, seed }: Settings, { train, test }: TrainingData): TrainingData {
  const raw = ({ inputs, targets }: Dataset): Dataset => ({
    inputs: { ...inputs, data: inputs.data.map((grey) => Math.round(255 * grey)) },
    targets,
  })
  const mislabelled = ({ inputs, targets }: Dataset): Dataset => ({
    inputs,
    targets: { ...targets, data: corrupted(targets.data, wrongShare, seed, classes).labels },
  })
  const labelled = sabotage.has('labels') ? mislabelled(train) : train
  return sabotage.has('raw') ? { train: raw(labelled), test: raw(test) } : { train: labelled, test }
}
