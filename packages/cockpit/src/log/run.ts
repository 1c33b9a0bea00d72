/** @file A run as its log tells it: from text that may still be growing, or that ends in the middle of a line. */
import { DataError } from '@beyondgrad/tensor'
import {
  type LoggedValue,
  type NoteLine,
  parseLine,
  type RunHeader,
  type RunLine,
  type StepLine,
} from './run-line.ts'

/** What a log says. */
export interface Run {
  /** Undefined while the first step has not been logged. */
  readonly header: RunHeader | undefined
  /** In the order of the steps, each once. */
  readonly steps: readonly StepLine[]
  readonly notes: readonly NoteLine[]
}

/**
 * Reads the text of a `run.jsonl`. What follows the last end of a line was being written, and is dropped. Of a run that was resumed
 * before its last logged step, what was done again counts. Throws `DataError` for whole lines that are none.
 *
 * @param unfinished the text of `unfinished.jsonl`, a step that waits for the next one, if there is one
 */
export function parseRun(text: string, unfinished = '', where = 'run.jsonl'): Run {
  const lines = [...wholeLines(text, where), ...wholeLines(unfinished, 'unfinished.jsonl')]
  const [first, ...others] = lines
  if (first === undefined) return { header: undefined, steps: [], notes: [] }
  if (first.kind !== 'header')
    throw new DataError(`${where}: the first line must be the header, not a ${first.kind}`)
  const steps: StepLine[] = []
  const notes: NoteLine[] = []
  const finished = wholeLines(text, where).filter(({ kind }) => kind === 'step').length
  let seen = 0
  for (const line of others) {
    if (line.kind === 'note') notes.push(line)
    if (line.kind !== 'step') continue
    seen++
    // It was finished after all.
    if (seen > finished && steps.some(({ step }) => step >= line.step)) continue
    while (steps.length > 0 && steps.at(-1)!.step >= line.step) steps.pop()
    steps.push(line)
  }
  return { header: first, steps, notes }
}

function wholeLines(text: string, where: string): RunLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line, i) => parseLine(line, `${where}, line ${i + 1}`))
    .filter((line) => line !== undefined)
}

/** One quantity over a run: the steps that have it, and its values. */
export interface Series<T extends LoggedValue = LoggedValue> {
  readonly steps: readonly number[]
  readonly values: readonly T[]
}

/** A quantity of a run by its name; the type is the caller's claim. */
export function seriesOf<T extends LoggedValue = LoggedValue>(run: Run, quantity: string): Series<T> {
  const having = run.steps.filter(({ quantities }) => Object.hasOwn(quantities, quantity))
  return {
    steps: having.map(({ step }) => step),
    values: having.map(({ quantities }) => quantities[quantity] as T),
  }
}

/** Values of parameters as one of the whole network: the root of the sum of squares for norms, the sum for traces. */
export function inAll(values: Readonly<Record<string, number>>, as: 'norm' | 'sum'): number {
  const list = Object.values(values)
  return as === 'norm' ? Math.hypot(...list) : list.reduce((a, b) => a + b, 0)
}
