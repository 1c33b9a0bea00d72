/** @file The page at work: what its state is, and how actions and the worker's reports change it. */
import { diagnose } from '@beyondgrad/cockpit'
import { reportHtml } from '@beyondgrad/cockpit/report'
import { needsRestart, queryOf, type Settings } from '../settings.ts'
import type { Report } from '../training/messages.ts'
import { download } from './download.ts'
import { compared } from './plots.ts'
import { Recording } from './recording.ts'
import { Session } from './session.ts'
import type { Actions, PageState } from './state.ts'

/** Tracked steps that a run must have to be compared with. */
const comparable = 2
/** Digits that the diagnosis names and that are shown, at most. */
const namedMost = 12

export class App implements Actions {
  #state: PageState
  #session: Session
  #recording = new Recording()
  readonly #changed: () => void
  /** How many lines there were when the log was read last. */
  #looked = 0
  /** Whether it has been told to run and does not yet. */
  #isWanted = false

  /** @param changed told that there is something else to see */
  constructor(settings: Settings, changed: () => void) {
    this.#changed = changed
    this.#state = fresh(settings)
    this.#session = this.#open()
  }

  get state(): PageState {
    return this.#state
  }

  start(): void {
    const { settings, opened, phase } = this.#state
    if (needsRestart(opened, settings) || phase === 'failed' || phase === 'diverged') this.reset()
    // A run that is done goes on for as long again.
    this.#runUntil((Math.floor(this.#steps / settings.steps) + 1) * settings.steps)
  }

  pause(): void {
    this.#session.pause()
  }

  step(): void {
    const { settings, opened, phase } = this.#state
    if (needsRestart(opened, settings) || phase === 'failed' || phase === 'diverged') this.reset()
    this.#runUntil(this.#steps + 1)
  }

  reset(): void {
    const { run, previous, settings, opened } = this.#state
    this.#session.end()
    const before = run !== undefined && run.steps.length >= comparable ? { run, settings: opened } : previous
    this.#state = { ...fresh(settings), previous: before }
    this.#recording = new Recording()
    this.#looked = 0
    this.#session = this.#open()
    this.#changed()
  }

  change(change: Partial<Settings>): void {
    const settings = { ...this.#state.settings, ...change }
    this.#update({ settings })
    history.replaceState(undefined, '', `${location.pathname}${queryOf(settings)}`)
    this.#session.adjust(settings)
  }

  saveLog(): void {
    download('run.jsonl', 'application/jsonl', this.#recording.text)
  }

  saveReport(): void {
    const { names, runs } = compared(this.#state)
    download('report.html', 'text/html', reportHtml(runs, { title: 'A training on MNIST', names }))
  }

  /** Frees the worker. */
  close(): void {
    this.#session.end()
  }

  /** Ends the training with a sentence that says why. */
  fail(error: unknown): void {
    this.#session.end()
    this.#update({
      phase: 'failed',
      failure: `The page stopped: ${error instanceof Error ? error.message : String(error)}.`,
    })
  }

  /** Reads the log again. */
  look(): void {
    const { run } = this.#recording
    const length = run.steps.length + run.notes.length
    if (length === this.#looked) return
    this.#looked = length
    const findings = diagnose(run)
    this.#state = { ...this.#state, run, findings }
    const places = [...new Set(findings.flatMap(({ samples = [] }) => samples))].slice(0, namedMost)
    const shown = this.#state.named.map(({ place }) => place)
    if (places.join() === shown.join()) return
    if (places.length === 0) this.#update({ named: [] })
    else this.#session.show(places)
  }

  get #steps(): number {
    return this.#state.progress?.steps ?? 0
  }

  #runUntil(steps: number): void {
    this.#isWanted = true
    if (this.#state.phase !== 'loading') this.#update({ phase: 'running' })
    this.#session.run(steps)
  }

  #open(): Session {
    this.#isWanted = false
    return new Session(this.#state.settings, (report) => this.#hear(report))
  }

  #hear(report: Report): void {
    switch (report.kind) {
      case 'log':
        this.#recording.push(report.text)
        return this.#changed()
      case 'running':
        this.#isWanted = false
        return this.#update({ phase: 'running' })
      case 'resting':
        // It will run at once.
        if (this.#isWanted) return
        return this.#update({ phase: report.why })
      case 'progress':
        return this.#update({
          progress: {
            ...report,
            stepsPerSecond: report.stepsPerSecond ?? this.#state.progress?.stepsPerSecond,
          },
        })
      case 'accuracy':
        return this.#update({ accuracy: report })
      case 'batch':
        return this.#update({ batch: report.digits })
      case 'shown':
        return this.#update({ named: report.digits })
      case 'failed':
        return this.#update({ phase: 'failed', failure: report.sentence })
    }
  }

  #update(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change }
    this.#changed()
  }
}

const fresh = (settings: Settings): PageState => ({
  settings,
  opened: settings,
  phase: 'loading',
  failure: undefined,
  progress: undefined,
  accuracy: undefined,
  findings: [],
  batch: [],
  named: [],
  run: undefined,
  previous: undefined,
})
