/** @file One training as the page sees it: a worker that is opened, told what to do, and ended. */
import { rateOf, type Settings } from '../settings.ts'
import type { Order, Report } from '../training/messages.ts'

/** Milliseconds in which a worker must have said that it is ready. */
const patience = 60_000

export interface Listener {
  (report: Report): void
}

export class Session {
  readonly #worker: Worker
  readonly #listen: Listener
  readonly #timer: ReturnType<typeof setTimeout>
  #isOver = false

  /** Starts a worker, which fetches the digits and the engine. All that it says, its end included, comes as reports. */
  constructor(settings: Settings, listen: Listener) {
    this.#listen = listen
    this.#worker = new Worker(new URL('../training/worker.ts', import.meta.url), {
      type: 'module',
      name: 'training',
    })
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#hear(data)
    this.#worker.onerror = (event) => {
      event.preventDefault()
      this.#fail(event.message ? `The worker stopped: ${event.message}.` : 'The worker did not start.')
    }
    this.#worker.onmessageerror = () => this.#fail('The worker sent something that cannot be read.')
    this.#timer = setTimeout(() => {
      this.#fail(`The engine "${settings.engine}" has not started for ${patience / 1000} seconds.`)
    }, patience)
    this.#tell({ kind: 'open', settings, digits: document.baseURI })
  }

  /** Trains until so many steps are done. */
  run(until: number): void {
    this.#tell({ kind: 'run', until })
  }

  pause(): void {
    this.#tell({ kind: 'pause' })
  }

  /** Hands over what is taken at once. */
  adjust(settings: Settings): void {
    const { every, pace } = settings
    this.#tell({ kind: 'adjust', learningRate: rateOf(settings), every, pace })
  }

  /** Asks for training digits by their places. */
  show(places: readonly number[]): void {
    this.#tell({ kind: 'show', places })
  }

  /** Frees the worker. Nothing is heard of it any more. */
  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#worker.terminate()
  }

  #hear(report: Report): void {
    if (this.#isOver) return
    clearTimeout(this.#timer)
    if (report.kind === 'failed') this.#fail(report.sentence)
    else this.#listen(report)
  }

  #fail(sentence: string): void {
    if (this.#isOver) return
    this.end()
    this.#listen({ kind: 'failed', sentence })
  }

  #tell(order: Order): void {
    if (!this.#isOver) this.#worker.postMessage(order)
  }
}
