/**
 * @file The log of a run: a folder with `run.jsonl`. A header line, then a line for every step that something is known of; each is
 * in the file before the next step begins, so that a run that dies leaves all its lines.
 */
import { BeyondgradError, DataError } from '@beyondgrad/tensor'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What is known of a step: numbers, lists of them, or either by the name of a parameter. */
export type LoggedValue = number | readonly LoggedValue[] | { readonly [name: string]: LoggedValue }

export interface RunLog {
  /** Writes what is known of a step. */
  step(step: number, quantities: Readonly<Record<string, LoggedValue>>): void
  /** Ends the log. One without a step is taken away: what went wrong before is no run, and may be tried again. */
  close(): void
}

/** What the header tells besides `kind`. */
export interface RunHeader {
  readonly version: number
  /** When the run began, as ISO 8601 has it. */
  readonly started: string
  readonly model: string
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]
  readonly loss: string
  readonly reduction: string
  readonly optimizer: Readonly<Record<string, string | number | undefined>>
  readonly engine: string
  readonly data: { readonly file: string; readonly samples: number }
  readonly batchSize: number
  readonly shuffle: boolean
  readonly seed: number
  readonly quantities: readonly string[]
}

/** Begins a log; a folder that has one already is refused, since lines are only ever appended to their own run. */
export function openRunLog(folder: string, header: RunHeader): RunLog {
  const file = join(folder, 'run.jsonl')
  const descriptor = opened(folder, file)
  const begun = performance.now()
  let steps = 0
  const write = (line: object): void => void writeSync(descriptor, `${JSON.stringify(line, finite)}\n`)
  write({ kind: 'header', ...header })
  return {
    step: (step, quantities) => {
      steps++
      write({ kind: 'step', step, time: (performance.now() - begun) / 1000, quantities })
    },
    close: () => {
      closeSync(descriptor)
      if (steps === 0) rmSync(file)
    },
  }
}

function opened(folder: string, file: string): number {
  try {
    mkdirSync(folder, { recursive: true })
    return openSync(file, 'ax')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new BeyondgradError(
        'value',
        `--log ${folder}: there is a run in it already: choose another folder, or remove ${file}`,
      )
    }
    throw new DataError(
      `${file} cannot be written (${error instanceof Error ? error.message : String(error)}): check the path`,
    )
  }
}

/** Numbers that JSON lacks are written as their names. */
function finite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
