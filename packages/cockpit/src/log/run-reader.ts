/** @file A run that grows, read from the pieces in which the text of its log arrives. */
import { DataError } from '@beyondgrad/tensor'
import { type NoteLine, parseLine, type RunHeader, type StepLine } from './run-line.ts'
import type { Run } from './run.ts'

/**
 * Reads a `run.jsonl` from pieces, cut anywhere between two characters. After any pieces, `run` is what `parseRun` makes of their text; a
 * piece costs what is new in it. Of bytes, decode with `TextDecoder` and `stream: true`.
 */
export class RunReader {
  private readonly where: string
  private readonly steps: StepLine[] = []
  private readonly notes: NoteLine[] = []
  private header: RunHeader | undefined
  private pieces: string[] = []
  private lines = 0

  /** @param where what errors call the text */
  constructor(where = 'run.jsonl') {
    this.where = where
  }

  /** Reads on. Throws `DataError` for a whole line that is none of a log, and again at every later piece. */
  push(text: string): void {
    if (!text.includes('\n')) {
      if (text !== '') this.pieces.push(text)
      return
    }
    const lines = [...this.pieces, text].join('').split('\n')
    const rest = lines.pop()!
    let read = 0
    try {
      for (const line of lines) {
        this.read(line)
        this.lines++
        read++
      }
    } finally {
      // What could not be read stays in front of what comes.
      this.pieces = [[...lines.slice(read), rest].join('\n')]
    }
  }

  /** What has been read; its lists go on growing with the next pieces. */
  get run(): Run {
    return { header: this.header, steps: this.steps, notes: this.notes }
  }

  private read(text: string): void {
    const line = parseLine(text, `${this.where}, line ${this.lines + 1}`)
    if (line === undefined) return
    if (this.header === undefined) {
      if (line.kind !== 'header')
        throw new DataError(`${this.where}: the first line must be the header, not a ${line.kind}`)
      this.header = line
    } else if (line.kind === 'note') this.notes.push(line)
    else if (line.kind === 'step') {
      // Done again, by a run that was resumed.
      while (this.steps.length > 0 && this.steps.at(-1)!.step >= line.step) this.steps.pop()
      this.steps.push(line)
    }
  }
}
