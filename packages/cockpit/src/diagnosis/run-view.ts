/** @file A run as rules look at it: the latest values of a quantity, or the earliest, without reading the whole log. */
import type { LoggedValue, NoteLine, RunHeader, StepLine } from '../log/run-line.ts'
import type { Run } from '../log/run.ts'

/** Values with their steps, oldest first. */
export interface Found<T> {
  readonly steps: readonly number[]
  readonly values: readonly T[]
}

/** Makes of a logged value what is looked for; undefined where it is something else. */
export type Read<T> = (value: LoggedValue) => T | undefined

/** How many tracked steps are looked at for each value that is wanted, since a quantity may be logged at few of them. */
const patience = 40

export class RunView {
  private readonly run: Run
  private readonly end: number
  /** How many values make a window. */
  readonly window: number

  /** @param end how many of the tracked steps there are */
  constructor(run: Run, window: number, end: number = run.steps.length) {
    this.run = run
    this.window = window
    this.end = end
  }

  get header(): RunHeader | undefined {
    return this.run.header
  }

  /** As the header has them; shapes of an imported log are empty. */
  get parameters(): RunHeader['parameters'] {
    return this.run.header?.parameters ?? []
  }

  /** Notes up to the last step of this view. */
  get notes(): readonly NoteLine[] {
    const last = this.run.steps[this.end - 1]?.step ?? -1
    return this.end === this.run.steps.length
      ? this.run.notes
      : this.run.notes.filter(({ step }) => step <= last)
  }

  /** The same run, as if it had ended before a step. */
  before(step: number): RunView {
    let end = this.end
    while (end > 0 && this.run.steps[end - 1]!.step >= step) end--
    return new RunView(this.run, this.window, end)
  }

  /** The latest values. */
  latest<T>(quantity: string, read: Read<T>, count: number = this.window): Found<T> {
    const found: [number, T][] = []
    const last = Math.max(0, this.end - patience * count)
    for (let i = this.end - 1; i >= last && found.length < count; i--) {
      const value = valueIn(this.run.steps[i]!, quantity, read)
      if (value !== undefined) found.push([this.run.steps[i]!.step, value])
    }
    return asFound(found.reverse())
  }

  /** The earliest values. */
  earliest<T>(quantity: string, read: Read<T>, count: number = this.window): Found<T> {
    const found: [number, T][] = []
    const last = Math.min(this.end, patience * count)
    for (let i = 0; i < last && found.length < count; i++) {
      const value = valueIn(this.run.steps[i]!, quantity, read)
      if (value !== undefined) found.push([this.run.steps[i]!.step, value])
    }
    return asFound(found)
  }

  /** The latest steps, oldest first, all of them unless a number is given. */
  latestSteps(count: number = this.end): readonly StepLine[] {
    return this.run.steps.slice(Math.max(0, this.end - count), this.end)
  }
}

/** What a step has of a quantity; undefined where it has none, or something else. */
export function valueIn<T>({ quantities }: StepLine, quantity: string, read: Read<T>): T | undefined {
  const value = Object.hasOwn(quantities, quantity) ? quantities[quantity] : undefined
  return value === undefined || value === null ? undefined : read(value)
}

const asFound = <T>(pairs: readonly (readonly [number, T])[]): Found<T> => ({
  steps: pairs.map(([step]) => step),
  values: pairs.map(([, value]) => value),
})

/** A number, finite or not. */
export const asNumber: Read<number> = (value) => (typeof value === 'number' ? value : undefined)

/** A finite number. */
export const asFinite: Read<number> = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined

/** Values by name. */
export function isRecord(
  value: LoggedValue | null | undefined,
): value is Readonly<Record<string, LoggedValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Numbers by parameter. */
export const asNumbers: Read<ReadonlyMap<string, number>> = (value) => {
  if (!isRecord(value)) return undefined
  const pairs = Object.entries(value).filter((pair): pair is [string, number] => typeof pair[1] === 'number')
  return pairs.length > 0 ? new Map(pairs) : undefined
}

/** The norm of all parameters together, of norms by parameter or in a list; finite ones only. */
export const asNorm: Read<number> = (value) => {
  const list = typeof value === 'number' ? [value] : Object.values(value).filter((x) => typeof x === 'number')
  const norm = Math.hypot(...list)
  return list.length > 0 && Number.isFinite(norm) ? norm : undefined
}

/** The sum over parameters; finite ones only. */
export const asSum: Read<number> = (value) => {
  const list = typeof value === 'number' ? [value] : Object.values(value).filter((x) => typeof x === 'number')
  const sum = list.reduce((a, b) => a + b, 0)
  return list.length > 0 && Number.isFinite(sum) ? sum : undefined
}
