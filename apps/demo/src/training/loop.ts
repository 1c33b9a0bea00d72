/** @file Runs a training as the page orders, at its pace, and reports how far it is. */
import { ranges } from '../settings.ts'
import type { Order, Report, Rest } from './messages.ts'
import type { Training } from './training.ts'

/** Milliseconds between two reports, and between two looks at the page's orders. */
const reportEvery = 100
const listenEvery = 25
/** Milliseconds between two looks at digits of the batch, and how many. */
const showEvery = 700
const shown = 12
/** Steps between two measurements of accuracies; the first one is after the first step, since a log begins with it. */
const judgeEvery = 100

const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

export class Loop {
  readonly #training: Training
  readonly #tell: (report: Report) => void
  readonly #takeLog: () => string
  #pace: number
  #until = 0
  #isPaused = false
  #isRunning = false
  #reported = { time: 0, steps: 0 }

  /** @param takeLog lines of the log since it was asked last */
  constructor(training: Training, pace: number, takeLog: () => string, tell: (report: Report) => void) {
    this.#training = training
    this.#pace = pace
    this.#takeLog = takeLog
    this.#tell = tell
  }

  /** Shows some digits, and says that it is ready. */
  async begin(): Promise<void> {
    await this.#showBatch()
    this.#tell({ kind: 'resting', why: 'ready' })
  }

  async obey(order: Exclude<Order, { readonly kind: 'open' }>): Promise<void> {
    const training = this.#training
    switch (order.kind) {
      case 'run':
        this.#until = order.until
        this.#isPaused = false
        return this.#run()
      case 'pause':
        this.#isPaused = true
        return
      case 'adjust':
        training.learningRate = order.learningRate
        training.every = order.every
        this.#pace = order.pace
        return
      case 'show':
        return this.#tell({ kind: 'shown', digits: await training.show(order.places) })
    }
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      this.#tell({ kind: 'running' })
      const why = await this.#trainUntilDone()
      await this.#showBatch()
      this.#report()
      this.#tell({ kind: 'resting', why })
    } finally {
      this.#isRunning = false
    }
  }

  async #trainUntilDone(): Promise<Rest> {
    const training = this.#training
    const start = performance.now()
    this.#reported = { time: start, steps: training.steps }
    let [listened, looked, due] = [start, start, start]
    for (;;) {
      if (this.#isPaused) return 'paused'
      if (training.hasDiverged) {
        await training.close()
        return 'diverged'
      }
      if (training.steps >= this.#until) return 'finished'
      await training.step()
      if (training.steps === 1 || training.steps % judgeEvery === 0) await this.#judge()
      const now = performance.now()
      if (now - looked > showEvery) {
        looked = now
        await this.#showBatch()
      }
      if (now - this.#reported.time > reportEvery) this.#report()
      // A pause is not made up for afterwards.
      due = Math.max(due + this.#interval(), now - reportEvery)
      if (due > now || now - listened > listenEvery) {
        await later(Math.max(0, due - now))
        listened = performance.now()
      }
    }
  }

  /** Milliseconds from one step to the next. */
  #interval(): number {
    return this.#pace >= ranges.pace.most ? 0 : 1000 / this.#pace
  }

  #report(): void {
    const now = performance.now()
    const { steps } = this.#training
    const seconds = (now - this.#reported.time) / 1000
    const done = steps - this.#reported.steps
    this.#tell({
      kind: 'progress',
      ...this.#training.progress,
      stepsPerSecond: seconds > 0.05 && done > 1 ? done / seconds : undefined,
    })
    this.#tellLog()
    this.#reported = { time: now, steps }
  }

  #tellLog(): void {
    const text = this.#takeLog()
    if (text !== '') this.#tell({ kind: 'log', text })
  }

  async #judge(): Promise<void> {
    this.#tell({ kind: 'accuracy', ...(await this.#training.judge()) })
    this.#tellLog()
  }

  async #showBatch(): Promise<void> {
    this.#tell({ kind: 'batch', digits: await this.#training.someDigits(shown) })
  }
}
