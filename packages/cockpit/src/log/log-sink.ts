/** @file Where the lines of a log go: to a file, or wherever somebody wants them. */
import type { Run } from './run.ts'

export interface LogSink {
  /** What there is of a run that is resumed. */
  readonly before?: Run | undefined
  /** A line, its end included. */
  append(line: string): void
  /** A line that the next step will complete, then to be appended; it takes the place of the one before. */
  wait(line: string): void
  close(): void
}
