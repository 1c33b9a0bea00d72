/**
 * @file The log of a run on disk: a folder with `run.jsonl`, which only ever grows. A step that the next one completes waits in
 * `unfinished.jsonl` and moves when it is whole, so that a process that dies loses the line being written and nothing else.
 */
import { BeyondgradError, DataError } from '@beyondgrad/tensor'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { LogSink } from './log-sink.ts'
import { formatLine } from './run-line.ts'
import { parseRun, type Run } from './run.ts'

/** Reads a run's folder, whether the run has ended, died or still goes on. Throws `DataError` where there is none. */
export function readRun(folder: string): Run {
  const file = join(folder, 'run.jsonl')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new DataError(`${file} cannot be read (${messageOf(error)}): name the folder of a run`)
  }
  const rest = join(folder, 'unfinished.jsonl')
  return parseRun(text, existsSync(rest) ? readFileSync(rest, 'utf8') : '', file)
}

/**
 * Begins a log, or goes on with one. A folder that has one already is refused unless `resume` says so, since lines are only ever
 * appended to their own run.
 */
export function openRunFile(folder: string, { resume = false }: { readonly resume?: boolean } = {}): LogSink {
  const file = join(folder, 'run.jsonl')
  const rest = join(folder, 'unfinished.jsonl')
  const before = resume && existsSync(file) ? readRun(folder) : undefined
  // What the process that died was writing goes.
  if (before !== undefined) truncateSync(file, readFileSync(file).lastIndexOf(10) + 1)
  const descriptor = opened(folder, file, before !== undefined)
  let waiting: number | undefined
  let isEmpty = before?.header === undefined
  // A step that waited is whole as far as it goes; the next one may yet complete it.
  const last = before?.steps.at(-1)
  if (last !== undefined && !endsWith(readFileSync(file, 'utf8'), last.step))
    writeSync(descriptor, formatLine(last))
  return {
    before,
    append: (line) => {
      isEmpty = false
      // One call a line: a reader sees a whole line, or the beginning of one.
      writeSync(descriptor, line)
    },
    wait: (line) => {
      waiting ??= openSync(rest, 'w')
      // The line before has moved by now, and a part of it must not be taken for a part of this one.
      ftruncateSync(waiting)
      writeSync(waiting, line, 0)
    },
    close: () => {
      closeSync(descriptor)
      if (waiting !== undefined) closeSync(waiting)
      rmSync(rest, { force: true })
      // What went wrong before the first step is no run, and may be tried again.
      if (isEmpty) rmSync(file)
    },
  }
}

/** Whether the last step in the text is this one. */
function endsWith(text: string, step: number): boolean {
  return parseRun(text).steps.at(-1)?.step === step
}

function opened(folder: string, file: string, exists: boolean): number {
  try {
    mkdirSync(folder, { recursive: true })
    return openSync(file, exists ? 'a' : 'ax')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new BeyondgradError(
        'value',
        `${folder}: there is a run in it already: choose another folder, remove ${file}, or go on with it by resume: true`,
      )
    }
    throw new DataError(`${file} cannot be written (${messageOf(error)}): check the path`)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
