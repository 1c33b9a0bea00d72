/** @file From what a step measured to its line in the log: at once, or when the next step has completed it. */
import type { NDArray } from '@beyondgrad/tensor'
import type { Absent } from './instrument.ts'
import type { RunLog } from './log/run-log.ts'
import type { LoggedValue, RunHeader, StepLine } from './log/run-line.ts'
import type { Run } from './log/run.ts'
import type { Wanted } from './measured-step.ts'

/** A step that has run. */
export interface RanStep {
  readonly step: number
  readonly batchSize: number
  readonly loss: NDArray
  readonly learningRate: number
  readonly indices: ArrayLike<number> | undefined
  readonly wanted: readonly Wanted[]
  /** In the order of what was wanted. */
  readonly parts: readonly ({ readonly measured: unknown } | { readonly reason: string })[]
}

/** A tracked step, as it is logged. */
export type TrackedStep = Omit<StepLine, 'kind'>

interface Waiting {
  readonly line: TrackedStep
  readonly names: readonly string[]
}

/** Where the lines of a run come together. */
export class StepRecords {
  private readonly log: RunLog
  private readonly before: Run | undefined
  private readonly header: (batchSize: number) => Omit<RunHeader, 'kind' | 'version' | 'started'>
  private readonly onStep: ((step: TrackedStep) => void) | undefined
  private waiting: Waiting | undefined

  constructor(
    log: RunLog,
    before: Run | undefined,
    header: (batchSize: number) => Omit<RunHeader, 'kind' | 'version' | 'started'>,
    onStep: ((step: TrackedStep) => void) | undefined,
  ) {
    this.log = log
    this.before = before
    this.header = header
    this.onStep = onStep
  }

  /** Whether the log ends with the step before this one, whose quantities of these names the next step completes. */
  resume(step: number, names: readonly string[]): boolean {
    const line = this.before?.steps.at(-1)
    const missing = names.filter((name) => line?.quantities[name] === undefined)
    if (line?.step !== step - 1 || missing.length === 0) return false
    const { kind: _kind, ...rest } = line
    this.waiting = { line: rest, names: missing }
    return true
  }

  record(ran: RanStep): void {
    this.log.begin(this.header(ran.batchSize))
    this.complete(ran)
    const due = ran.wanted.flatMap(({ instrument, stage }, i) => (stage === 'due' ? [{ instrument, i }] : []))
    if (due.length === 0) return
    const { step, learningRate } = ran
    const line = { step, time: this.log.time(), ...this.valuesOf(ran, 'due'), learningRate }
    const reasons = line.absent ?? {}
    const names = due
      .filter(({ instrument: { name, after } }) => after !== undefined && !Object.hasOwn(reasons, name))
      .map(({ instrument }) => instrument.name)
    if (names.length === 0) this.write(line)
    else {
      this.waiting = { line, names }
      this.log.wait(line)
    }
  }

  note(step: number, values: Readonly<Record<string, LoggedValue>>): void {
    this.log.note(step, values)
  }

  close(): void {
    this.giveUp('the run ended with this step, and the next one would have told')
    this.log.close()
  }

  /** Writes the step that waits, with what this one tells of it. */
  private complete(ran: RanStep): void {
    const { waiting } = this
    if (waiting === undefined) return
    if (waiting.line.step !== ran.step - 1) {
      this.giveUp('the next step was not tracked')
      return
    }
    const { quantities, absent } = this.valuesOf(ran, 'after')
    const { line, names } = waiting
    const { absent: _old, ...whole } = line
    const reasons = { ...line.absent, ...absent }
    for (const name of names) {
      if (Object.hasOwn(quantities, name)) delete reasons[name]
      else reasons[name] ??= 'the next step was not tracked'
    }
    this.waiting = undefined
    this.write({
      ...whole,
      quantities: { ...line.quantities, ...quantities },
      ...(Object.keys(reasons).length > 0 && { absent: reasons }),
    })
  }

  private giveUp(reason: string): void {
    if (this.waiting === undefined) return
    const { line, names } = this.waiting
    this.waiting = undefined
    this.write({
      ...line,
      absent: { ...line.absent, ...Object.fromEntries(names.map((name) => [name, reason])) },
    })
  }

  private write(line: TrackedStep): void {
    this.log.step(line)
    this.onStep?.(line)
  }

  private valuesOf(ran: RanStep, of: Wanted['stage']): Pick<TrackedStep, 'quantities' | 'absent'> {
    const quantities: Record<string, LoggedValue> = {}
    const absent: Record<string, string> = {}
    ran.wanted.forEach(({ instrument, stage, state }, i) => {
      if (stage !== of) return
      const part = ran.parts[i]!
      const value: LoggedValue | Absent | undefined =
        'reason' in part
          ? { absent: part.reason }
          : instrument[stage]!.log({
              measured: part.measured,
              step: ran.step,
              batchSize: ran.batchSize,
              loss: ran.loss.data[0]!,
              learningRate: ran.learningRate,
              ...(ran.indices && { indices: ran.indices }),
              state,
            })
      if (value === undefined) return
      if (isAbsent(value)) absent[instrument.name] = value.absent
      else quantities[instrument.name] = value
    })
    return { quantities, ...(Object.keys(absent).length > 0 && { absent }) }
  }
}

const isAbsent = (value: LoggedValue | Absent): value is Absent =>
  typeof value === 'object' && 'absent' in value && typeof value.absent === 'string'
